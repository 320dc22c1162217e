import Foundation
import GRDB
public import KVModel

/// Sums over the entries that a bucket held at a point.
public struct StateTotals: Sendable, Hashable {
    /// Entries.
    public var entries = 0
    /// Entries that have a header block.
    public var headedEntries = 0
    /// Keys whose newest entry is a put.
    public var keys = 0
    /// Bytes of keys, header blocks and values.
    public var bytes = 0

    /// Sums over no entries.
    public init() {}

    /// These, from what they were before and what some keys had then and have now.
    func replacing(_ before: StateTotals, by now: StateTotals) -> StateTotals {
        var result = self
        result.entries += now.entries - before.entries
        result.headedEntries += now.headedEntries - before.headedEntries
        result.keys += now.keys - before.keys
        result.bytes += now.bytes - before.bytes
        return result
    }
}

/// The totals of a state that was found once and agreed with its bucket, and which archive they belong to.
struct StoredTotals: Sendable {
    let point: ConsistentPoint
    let totals: StateTotals
    /// How many segments there were, and the digest of the last.
    let segments: Int64
    let head: [UInt8]
}

extension ArchiveWriter {
    /// Remembers what a bucket holds, all in all, at a revision up to which all is archived.
    ///
    /// `changedTotals` reckons from there. Nothing is remembered where the archive goes on behind the revision.
    public func recordTotals(_ totals: StateTotals, _ id: IncarnationID, at point: ConsistentPoint) throws {
        try write { db in
            let incarnation = try db.incarnation(id)
            guard let stored = try db.soundCheckpoint(incarnation), stored.checkpoint.resumeRevision == point.revision
            else { return }
            try db.save(
                StoredTotals(point: point, totals: totals, segments: stored.segments, head: stored.head),
                incarnation
            )
        }
    }
}

extension ArchiveReader {
    /// What a bucket held at a revision, all in all, reckoned from totals that were remembered and the keys that
    /// changed since.
    ///
    /// Nil where that cannot be: nothing is remembered, much has changed, or something else than entries decides what
    /// is held, such as a TTL. `state` finds it then.
    public func changedTotals(of id: IncarnationID, at revision: Revision) throws -> StateTotals? {
        try read { db in try db.changedTotals(of: db.incarnation(id), at: revision) }
    }
}

extension Database {
    private static let totalsLabel = "cistern totals 1\n"
    private static let totalsColumns = "revision, time, segments, head, entries, headed, keys, bytes"

    fileprivate func save(_ stored: StoredTotals, _ incarnation: Incarnation) throws {
        try execute(
            sql: """
                CREATE TABLE IF NOT EXISTS totals (
                    incarnation INTEGER PRIMARY KEY REFERENCES incarnation (id),
                    revision INTEGER NOT NULL,
                    time INTEGER NOT NULL,
                    segments INTEGER NOT NULL,
                    head BLOB NOT NULL,
                    entries INTEGER NOT NULL,
                    headed INTEGER NOT NULL,
                    keys INTEGER NOT NULL,
                    bytes INTEGER NOT NULL,
                    digest BLOB NOT NULL
                ) STRICT
                """
        )
        try execute(sql: "DELETE FROM totals WHERE incarnation = ?", arguments: [incarnation.id.rawValue])
        let totals = stored.totals
        let sums = [totals.entries, totals.headedEntries, totals.keys, totals.bytes]
        try insert(
            into: "totals",
            Self.totalsColumns,
            [
                try stored.point.revision.stored().databaseValue, stored.point.time.nanoseconds.databaseValue,
                stored.segments.databaseValue, Data(stored.head).databaseValue,
            ] + sums.map(\.databaseValue),
            Self.totalsLabel,
            of: incarnation
        )
    }

    /// The totals that are remembered, if they are what was written: without them more is to be read, no more.
    private func totals(_ incarnation: Incarnation) throws -> StoredTotals? {
        guard try integer("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'totals'") > 0 else {
            return nil
        }
        let sql = "SELECT \(Self.totalsColumns), digest FROM totals WHERE incarnation = ?"
        guard let row = try rows(sql, [incarnation.id.rawValue]).first,
            row.isWritten(Self.totalsLabel, SegmentDigest.root(incarnation), count: 8)
        else { return nil }
        var totals = StateTotals()
        totals.entries = Int(try row.integer(4))
        totals.headedEntries = Int(try row.integer(5))
        totals.keys = Int(try row.integer(6))
        totals.bytes = Int(try row.integer(7))
        return StoredTotals(
            point: ConsistentPoint(revision: try row.revision(0), time: try row.time(1)),
            totals: totals,
            segments: try row.integer(2),
            head: Array(try row.blob(3))
        )
    }

    /// Of so many keys none is looked for in the filters: hardly a segment would be left out.
    private static let fewKeys = 16

    fileprivate func changedTotals(of incarnation: Incarnation, at revision: Revision) throws -> StateTotals? {
        guard let base = try totals(incarnation), base.point.revision <= revision,
            let stored = try soundCheckpoint(incarnation), revision <= stored.checkpoint.resumeRevision,
            // What vanished otherwise, and what expires, concerns keys that did not change too.
            try removalRecords(incarnation).isEmpty
        else { return nil }
        let configurations = try configurations(incarnation)
        guard let newest = configurations.last,
            configurations.dropFirst().allSatisfy({
                $0.revision < base.point.revision && $0.time <= base.point.time
            })
        else { return nil }
        let policy = try RetainedEntries.Policy(json: newest.json)
        guard policy.maximumAge <= 0, !policy.allowsEntryTTL else { return nil }
        let basis = try basis(of: revision, incarnation, exactFrom: stored.exactFrom)
        guard !basis.isRecorded, basis.replaysAfter <= base.point.revision else { return nil }
        let rows = try segments(of: incarnation, through: revision)
        let count = Int(base.segments)
        // A prune, or a compaction, may have put others in their place.
        guard count <= rows.count, count == 0 || rows[count - 1].digest == base.head else { return nil }
        guard let keys = try changedKeys(in: rows[count...], incarnation, most: max(1000, base.totals.entries / 8))
        else { return nil }
        guard keys.count > 0 else { return base.totals }
        var scan = StateScan(
            incarnation: incarnation,
            revision: revision,
            selection: .keys(keys),
            mode: .bucket,
            basis: basis,
            configurations: configurations,
            proved: try proved(configurations, incarnation),
            removals: []
        )
        try scan.configure()
        let lane = ScanLane(scan)
        let feed = SegmentFeed([lane])
        var before = StateTotals()
        for (index, row) in rows.enumerated() {
            if index == count {
                try feed.flush()
                before = try lane.withScan { $0.totals(at: base.point) }
            }
            if index < count, keys.count <= Self.fewKeys {
                let filter = try keyFilter(of: row, incarnation)
                let concerns = try row.naming(incarnation) { try KeyFilter.concerns(keys, filter: filter) }
                guard concerns else { continue }
            }
            feed.add(try packedColumns(of: row, incarnation))
        }
        try feed.flush()
        guard try !lane.withScan({ $0.isMortal }) else { return nil }
        return base.totals.replacing(before, by: try lane.finish(asOf: nil).totals)
    }

    /// The keys of some segments; nil if they are more than so many, or if other keys are concerned too.
    private func changedKeys(
        in rows: ArraySlice<SegmentRow>,
        _ incarnation: Incarnation,
        most: Int
    ) throws -> ByteDictionary? {
        var keys = ByteDictionary()
        for row in rows {
            let segment = try columns(of: row, incarnation)
            for index in 0..<segment.headers.count
            where segment.headers.withString(index, { RetainedEntries.Rollup(headers: $0) }) == .everything {
                return nil
            }
            for index in 0..<segment.keys.count { segment.keys.withString(index) { _ = keys.insert($0) } }
            guard keys.count <= most else { return nil }
        }
        return keys
    }
}
