import Foundation
import GRDB
import KVModel

/// What an import brings beside entries.
struct AdoptedRecords: Sendable {
    var configurations: [ConfigurationRecord] = []
    var removals: [RemovalRecord] = []
    var points: [ConsistentPoint] = []
    var held: [PackedPoint] = []
    var lost: [ClosedRange<Revision>] = []
    /// States before this revision are known only at points.
    var exactFrom: Revision = 0
    var tags: [(name: String, revision: Revision, time: Timestamp?, note: String, created: Timestamp)] = []

    var count: Int { configurations.count + removals.count + points.count + held.count + lost.count + tags.count }
}

extension ArchiveWriter {
    /// The incarnation of this name, if the archive has it, and how far it goes.
    func known(cluster: String, bucket: BucketName, created: String) throws -> (Incarnation, Checkpoint?)? {
        try read { db in
            let found = try db.incarnations().first {
                $0.cluster == cluster && $0.bucket == bucket && $0.created == created
            }
            return try found.map { ($0, try db.soundCheckpoint($0)?.checkpoint) }
        }
    }

    /// Records what is not recorded yet, and the checkpoint, in one transaction; a second time it changes nothing.
    func adopt(_ records: AdoptedRecords, _ id: IncarnationID, _ checkpoint: Checkpoint?) throws {
        try write { db in
            let incarnation = try db.incarnation(id)
            try Self.adopt(records.configurations, incarnation, db)
            try Self.adopt(records.removals, incarnation, db)
            try Self.adoptBasis(records, incarnation, db)
            let known = try db.tags(id)
            var added = 0
            for tag in records.tags {
                if let present = known.first(where: { $0.name == tag.name }) {
                    guard present.revision == tag.revision else {
                        throw ArchiveError(.exists, hint: "tag \"\(tag.name)\" names revision \(present.revision)")
                    }
                    continue
                }
                try db.insert(
                    into: "tag",
                    "name, revision, time, note, created",
                    [
                        tag.name.databaseValue, try tag.revision.stored().databaseValue,
                        tag.time?.nanoseconds.databaseValue ?? .null, tag.note.databaseValue,
                        tag.created.nanoseconds.databaseValue,
                    ],
                    SegmentDigest.tag,
                    of: incarnation
                )
                added += 1
            }
            try db.count(.tag, by: added, incarnation)
            if let checkpoint { try Self.commit([], id, checkpoint: checkpoint, db) }
        }
    }

    private static func adopt(_ records: [ConfigurationRecord], _ incarnation: Incarnation, _ db: Database) throws {
        let known = try db.configurations(incarnation)
        for record in records where !known.contains(record) {
            _ = try RetainedEntries.Policy(json: record.json)
            try db.save(record, incarnation)
        }
    }

    private static func adopt(_ removals: [RemovalRecord], _ incarnation: Incarnation, _ db: Database) throws {
        guard !removals.isEmpty else { return }
        let known = Set(try db.removalRecords(incarnation))
        let new = removals.filter { !known.contains($0) }
        for removal in new { try db.save(removal, incarnation) }
        try db.count(.removal, by: new.count, incarnation)
    }

    private static func adoptBasis(_ records: AdoptedRecords, _ incarnation: Incarnation, _ db: Database) throws {
        for packed in records.held { try adopt(packed.unpacked(), mayMiss: !records.lost.isEmpty, incarnation, db) }
        for point in records.points where try db.soundPoint(incarnation, at: point.revision) == nil {
            try db.save(StoredPoint(point, incarnation), incarnation)
        }
        let known = Set(try db.lost(incarnation))
        let new = records.lost.filter { !known.contains($0) }
        for range in new {
            try db.insert(
                into: "lost",
                "first_revision, last_revision",
                [try range.lowerBound.stored().databaseValue, try range.upperBound.stored().databaseValue],
                SegmentDigest.lost,
                of: incarnation
            )
        }
        try db.count(.lost, by: new.count, incarnation)
        guard var stored = try db.soundCheckpoint(incarnation), stored.exactFrom < records.exactFrom else { return }
        guard try db.soundPoint(incarnation, at: records.exactFrom) != nil else {
            throw ArchiveError(.invalid("there is no point at revision \(records.exactFrom), from which it goes on"))
        }
        stored.exactFrom = records.exactFrom
        try db.save(&stored, incarnation)
    }

    /// Writes down what a point held, unless that is there; all of it must be archived, but for what damage took.
    private static func adopt(
        _ record: PointRecord,
        mayMiss: Bool,
        _ incarnation: Incarnation,
        _ db: Database
    ) throws {
        let revision = record.point.revision
        guard try db.soundPoint(incarnation, at: revision)?.rows ?? 0 == 0 else { return }
        let found = try db.entries(of: record.held, incarnation)
        guard mayMiss || found == record.entries else {
            throw ArchiveError(
                .invalid(
                    "of \(record.entries) entries held at the point of revision \(revision), \(found) stand before it"
                )
            )
        }
        try db.hold(record.held, entries: Int(clamping: record.entries), at: record.point, incarnation)
    }
}
