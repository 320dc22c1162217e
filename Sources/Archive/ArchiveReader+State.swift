import Foundation
import GRDB
public import KVModel

extension ArchiveReader {
    /// The revision that a point means.
    ///
    /// Throws `.noSuchPoint` for a point beyond the newest consistent revision, before the first entry, or a tag that
    /// does not exist; the message says what there is.
    public func resolve(_ point: ArchivePoint, in id: IncarnationID) throws -> Revision {
        try read { db in
            let incarnation = try db.incarnation(id)
            guard let newest = try db.soundCheckpoint(incarnation)?.checkpoint.consistentRevision else {
                throw ArchiveError(
                    .noSuchPoint("bucket \(incarnation.bucket) was never captured to a consistent revision"),
                    hint: "run the backup again until it reaches one"
                )
            }
            let revision: Revision
            switch point {
            case .newest: return newest
            case .revision(let asked): revision = asked
            case .time(let time): revision = try Self.revision(at: time, in: incarnation, through: newest, db)
            case .tag(let name):
                let tags = try db.tags(id)
                guard let tag = tags.first(where: { $0.name == name }) else {
                    let known =
                        tags.isEmpty ? "there are none" : "there are " + tags.map(\.name).joined(separator: ", ")
                    throw ArchiveError(.noSuchPoint("there is no tag \"\(name)\"; \(known)"))
                }
                revision = tag.revision
            }
            guard revision <= newest else {
                throw ArchiveError(.noSuchPoint("the newest consistent revision is \(newest), not \(revision)"))
            }
            return revision
        }
    }

    /// The last entry stored up to a time.
    private static func revision(
        at time: Timestamp,
        in incarnation: Incarnation,
        through newest: Revision,
        _ db: Database
    ) throws -> Revision {
        var found: Revision?
        // Servers' clocks step back by a little, never by an hour: the last entry at or before the time counts.
        let latest = time.adding(nanoseconds: 3_600_000_000_000)
        for row in try db.segments(of: incarnation, through: newest).reversed() where row.header.firstTime <= latest {
            let segment = try db.columns(of: row, incarnation)
            found = segment.revisions.indices.last { index in
                segment.times[index] <= time.nanoseconds && segment.revisions[index] <= newest
            }.map { segment.revisions[$0] }
            if let found { return found }
        }
        throw ArchiveError(.noSuchPoint("its first entry is later than \(time)"))
    }

    /// What the bucket held at a revision.
    ///
    /// `time` is as of when expiry is reckoned: by default when the point was proved consistent, else the time of its
    /// last entry. An empty `filter` means every key.
    public func state(
        of id: IncarnationID,
        at revision: Revision,
        asOf time: Timestamp? = nil,
        filter: [KeyPattern] = [],
        historyMode: HistoryMode = .bucket
    ) throws -> BucketState {
        try state(of: id, at: revision, asOf: time, selection: KeySelection(filter), historyMode: historyMode)
    }

    func state(
        of id: IncarnationID,
        at revision: Revision,
        asOf time: Timestamp?,
        selection: KeySelection,
        historyMode: HistoryMode
    ) throws -> BucketState {
        try read { db in
            let incarnation = try db.incarnation(id)
            let checkpoint = try db.soundCheckpoint(incarnation)?.checkpoint
            guard revision <= checkpoint?.resumeRevision ?? 0 else {
                throw ArchiveError(
                    .noSuchPoint("the newest archived revision is \(checkpoint?.resumeRevision ?? 0), not \(revision)")
                )
            }
            var proved = checkpoint?.consistentRevision == revision ? checkpoint?.consistentTime : nil
            if proved == nil { proved = try db.tags(id).first { $0.revision == revision && $0.time != nil }?.time }
            var scan = StateScan(
                incarnation: incarnation,
                revision: revision,
                selection: selection,
                mode: historyMode,
                configurations: try db.configurations(id).map(\.record),
                removals: try db.removals(id, seenThrough: revision, by: time ?? proved)
            )
            try scan.configure()
            for row in try db.segments(of: incarnation, through: revision) {
                if let key = selection.key {
                    let filter = try db.keyFilter(of: row, incarnation)
                    let concerns = try row.naming(incarnation) { try KeyFilter.concerns(key, filter: filter) }
                    guard concerns else { continue }
                }
                try scan.add(row, try db.columns(of: row, incarnation))
            }
            return try scan.finish(asOf: time ?? proved, reader: self)
        }
    }

    /// Loads the entries of a segment that a state holds.
    func run(_ kept: KeptSegment, of incarnation: Incarnation, after: Revision) throws -> DecodedRun {
        try read { db in
            let (segment, values) = try db.columnsAndValues(of: kept.row, incarnation)
            return DecodedRun(kept, segment, values: values, of: incarnation, path: path, after: after)
        }
    }
}

extension Database {
    /// The removals seen before a revision, and at it by a time, by their first revision.
    func removals(_ id: IncarnationID, seenThrough revision: Revision, by time: Timestamp?) throws -> [Removal] {
        let sql = """
            SELECT first_revision, last_revision, seen_revision FROM removal WHERE incarnation = ?
            AND (seen_revision < ? OR seen_revision = ? AND seen_time <= ?) ORDER BY first_revision
            """
        let revision = Int64(clamping: revision)
        let time = time?.nanoseconds ?? .max
        return try rows(sql, [id.rawValue, revision, revision, time]).map { row in
            Removal(first: try row.revision(0), last: try row.revision(1), seenAt: try row.revision(2))
        }
    }
}

extension KeyFilter {
    /// Whether a segment may matter for a key: it may hold the key, or an entry that drops everything.
    static func concerns(_ key: Key, filter: Data) throws -> Bool {
        try filter.withUnsafeBytes { stored in
            if try mayContain(UnsafeRawBufferPointer(start: nil, count: 0), in: stored) { return true }
            return try key.bytes.withUnsafeBytes { try mayContain($0, in: stored) }
        }
    }
}
