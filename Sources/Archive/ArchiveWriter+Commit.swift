import Foundation
import GRDB
public import KVModel

extension ArchiveWriter {
    /// The incarnation of a bucket on a cluster, recorded if it is new.
    ///
    /// `filter` names the keys that are captured of it, every key if it is empty. Throws `.invalid` if the archive has
    /// the incarnation with another filter: entries of both would pass for a whole.
    public func incarnation(
        cluster: String,
        bucket: BucketName,
        created: String,
        filter: [KeyPattern] = []
    ) throws -> Incarnation {
        let filter = KeyPattern.canonical(filter)
        return try write { db in
            let text = filter.map(\.description).joined(separator: " ")
            try db.execute(
                sql: "INSERT OR IGNORE INTO incarnation (cluster, bucket, created, filter) VALUES (?, ?, ?, ?)",
                arguments: [cluster, bucket.rawValue, created, text]
            )
            if db.changesCount == 1 { try db.copyIncarnation(IncarnationID(rawValue: db.lastInsertedRowID)) }
            let id = try db.integer(
                "SELECT id FROM incarnation WHERE cluster = ? AND bucket = ? AND created = ?",
                [cluster, bucket.rawValue, created]
            )
            let incarnation = try db.incarnation(IncarnationID(rawValue: id))
            guard incarnation.filter == filter else {
                throw ArchiveError(.invalid("it holds other keys of bucket \(bucket): \(incarnation.filterText)"))
            }
            return incarnation
        }
    }

    /// The newest incarnation that the archive knows of a bucket on a cluster.
    public func latestIncarnation(cluster: String, bucket: BucketName) throws -> Incarnation? {
        try read { try $0.latestIncarnation(bucket: bucket, cluster: cluster) }
    }

    /// How far the archive follows an incarnation; nil before its first commit.
    public func checkpoint(_ id: IncarnationID) throws -> Checkpoint? {
        try read { db in try db.soundCheckpoint(db.incarnation(id))?.checkpoint }
    }

    /// Records a bucket's configuration, the server's full JSON, if it differs from the last one recorded.
    ///
    /// `revision` is the resume revision when it was observed: entries after it may have been stored under it.
    public func recordConfiguration(_ id: IncarnationID, json: String, revision: Revision, time: Timestamp) throws {
        try write { db in
            let incarnation = try db.incarnation(id)
            let latest = try db.storedConfigurations(id).last?.record
            guard latest?.json != json else { return }
            // A run that was killed may have recorded one from further on than the next run resumes.
            let revision = max(revision, latest?.revision ?? 0)
            try db.save(ConfigurationRecord(revision: revision, time: time, json: json), incarnation)
        }
    }

    /// Writes segments and the checkpoint they lead to, in one transaction.
    ///
    /// Without segments, the checkpoint alone. Throws `.chainBroken`, and changes nothing, if a segment does not follow the resume revision, or if the
    /// checkpoint lies before what the archive holds.
    public func commit(_ segments: [EncodedSegment], _ id: IncarnationID, checkpoint: Checkpoint) throws {
        try write { db in try Self.commit(segments, id, checkpoint: checkpoint, db) }
    }

    /// The same inside a transaction.
    static func commit(
        _ segments: [EncodedSegment],
        _ id: IncarnationID,
        checkpoint: Checkpoint,
        _ db: Database
    ) throws {
        let incarnation = try db.incarnation(id)
        let before = try db.soundCheckpoint(incarnation)
        var stored = StoredCheckpoint(
            try merge(checkpoint, into: before?.checkpoint),
            segments: before?.segments ?? 0,
            head: before?.head ?? SegmentDigest.root(incarnation),
            exactFrom: before?.exactFrom ?? 0,
            records: try before?.records ?? db.recordCounts(id),
            incarnation: incarnation
        )
        var last = before?.checkpoint.resumeRevision ?? 0
        for plain in segments {
            let segment = try db.sealed(plain, of: incarnation)
            guard plain.firstRevision > last else {
                throw ArchiveError(
                    .chainBroken("revisions \(plain.firstRevision) to \(plain.lastRevision) after \(last)")
                )
            }
            try stored.append(segment, of: incarnation, db)
            last = plain.lastRevision
        }
        guard checkpoint.resumeRevision >= last else {
            throw ArchiveError(
                .chainBroken("a checkpoint at \(checkpoint.resumeRevision), before revision \(last)")
            )
        }
        try db.save(&stored, incarnation)
        if let revision = checkpoint.consistentRevision, let time = checkpoint.consistentTime {
            try db.record(ConsistentPoint(revision: revision, time: time), incarnation, stored)
        }
    }

    /// The new checkpoint with the old one's consistent point where it has none.
    private static func merge(_ new: Checkpoint, into old: Checkpoint?) throws -> Checkpoint {
        var merged = new
        if merged.consistentRevision == nil {
            merged.consistentRevision = old?.consistentRevision
            merged.consistentTime = old?.consistentTime
        }
        let consistent = merged.consistentRevision ?? 0
        guard consistent >= old?.consistentRevision ?? 0, consistent <= merged.resumeRevision else {
            throw ArchiveError(
                .chainBroken("a consistent revision \(consistent) with the resume revision \(merged.resumeRevision)")
            )
        }
        return merged
    }
}

extension Database {
    /// Writes a segment's rows.
    func insert(_ segment: SealedSegment, _ id: IncarnationID, ordinal: Int64, digest: [UInt8]) throws {
        try cachedStatement(sql: "INSERT INTO segment_data (key_filter, body, value_blocks) VALUES (?, ?, ?)")
            .execute(arguments: [Data(segment.keyFilter), Data(segment.body), Data(segment.values)])
        let data = lastInsertedRowID
        let statement = try cachedStatement(
            sql: """
                INSERT INTO segment (incarnation, ordinal, first_revision, last_revision, first_time, last_time,
                entry_count, raw_size, filter_size, body_size, values_size, digest, parts, data_key, seal, data)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        )
        let sizes = segment.sizes
        try statement.execute(arguments: [
            id.rawValue, ordinal, try segment.header.firstRevision.stored(), try segment.header.lastRevision.stored(),
            segment.header.firstTime.nanoseconds, segment.header.lastTime.nanoseconds, segment.header.count,
            segment.header.rawSize, sizes.keyFilter, sizes.body, sizes.values, Data(digest), Data(segment.parts.bytes),
            segment.seal?.dataKey, segment.seal.map { Data($0.identity) }, data,
        ])
    }

    /// Writes a checkpoint's row, and its digest.
    func save(_ stored: inout StoredCheckpoint, _ incarnation: Incarnation) throws {
        stored.digest = stored.expectedDigest(incarnation)
        let checkpoint = stored.checkpoint
        let source = checkpoint.sourceState
        let places = Array(repeating: "?", count: 13 + RecordKind.allCases.count).joined(separator: ", ")
        let leading: StatementArguments = [
            incarnation.id.rawValue, try checkpoint.resumeRevision.stored(),
            try checkpoint.consistentRevision?.stored(),
            checkpoint.consistentTime?.nanoseconds, Int64(bitPattern: source.messages),
            Int64(bitPattern: source.bytes), Int64(bitPattern: source.firstSequence),
            Int64(bitPattern: source.lastSequence), checkpoint.updated.nanoseconds, stored.segments,
            Data(stored.head), try stored.exactFrom.stored(),
        ]
        try cachedStatement(sql: "INSERT OR REPLACE INTO checkpoint VALUES (\(places))")
            .execute(arguments: leading + StatementArguments(stored.records.numbers) + [Data(stored.digest)])
    }
}
