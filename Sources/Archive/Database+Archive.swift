import Foundation
import GRDB
import KVModel

/// The queries that writer and reader share.
extension Database {
    private static let incarnationColumns = "SELECT \(Incarnation.columns) FROM incarnation"

    /// The incarnations by number; one that a damaged page hides leaves a checkpoint that is nobody's.
    func incarnations() throws -> [Incarnation] {
        let orphans = try integer(
            "SELECT count(*) FROM checkpoint WHERE incarnation NOT IN (SELECT id FROM incarnation NOT INDEXED)"
        )
        guard orphans == 0 else { throw ArchiveError(.corrupt("the names of \(orphans) of its buckets are missing")) }
        return try storedIncarnations()
    }

    /// Writes an incarnation's row a second time: what is sealed opens with these names only.
    func copyIncarnation(_ id: IncarnationID) throws {
        try execute(
            sql: "INSERT INTO incarnation_copy SELECT \(Incarnation.columns) FROM incarnation WHERE id = ?",
            arguments: [id.rawValue]
        )
    }

    /// The incarnations that are found.
    func storedIncarnations() throws -> [Incarnation] {
        try rows(Self.incarnationColumns + " ORDER BY id").map(Incarnation.init)
    }

    func incarnation(_ id: IncarnationID) throws -> Incarnation {
        guard let row = try rows(Self.incarnationColumns + " WHERE id = ?", [id.rawValue]).first else {
            throw ArchiveError(.noSuchIncarnation("incarnation \(id.rawValue)"))
        }
        return try Incarnation(row)
    }

    func latestIncarnation(bucket: BucketName, cluster: String?) throws -> Incarnation? {
        try incarnations()
            .filter { $0.bucket == bucket && (cluster == nil || $0.cluster == cluster) }
            .reduce(nil) { newest, other in
                guard let newest else { return other }
                return other.isLater(than: newest) ? other : newest
            }
    }

    func checkpoint(_ id: IncarnationID) throws -> StoredCheckpoint? {
        let sql = "SELECT \(StoredCheckpoint.columns) FROM checkpoint WHERE incarnation = ?"
        return try rows(sql, [id.rawValue]).first.map { try StoredCheckpoint($0) }
    }

    /// The checkpoint, if it is what was written; nothing must be built on one that is not.
    func soundCheckpoint(_ incarnation: Incarnation) throws -> StoredCheckpoint? {
        guard let stored = try checkpoint(incarnation.id) else {
            // The first segment comes together with one.
            let sql = "SELECT EXISTS (SELECT 1 FROM segment WHERE incarnation = ?)"
            guard try integer(sql, [incarnation.id.rawValue]) == 0 else {
                throw ArchiveError(.corrupt("the checkpoint of bucket \(incarnation.bucket) is missing"))
            }
            return nil
        }
        guard stored.digest == stored.expectedDigest(incarnation) else {
            throw ArchiveError(.corrupt("the checkpoint of bucket \(incarnation.bucket) is not what was written"))
        }
        return stored
    }

    /// The configurations of an incarnation, oldest first, as they are.
    func storedConfigurations(_ id: IncarnationID) throws -> [StoredConfiguration] {
        let sql = "SELECT \(StoredConfiguration.columns) FROM configuration WHERE incarnation = ?"
        return try rows(sql, [id.rawValue]).map { try StoredConfiguration($0) }.sorted {
            ($0.record.revision, $0.id) < ($1.record.revision, $1.id)
        }
    }

    /// The configurations of an incarnation, oldest first, each as it was written; all that there are unless
    /// `mayMiss` says that less will do.
    func configurations(_ incarnation: Incarnation, mayMiss: Bool = false) throws -> [ConfigurationRecord] {
        let stored = try storedConfigurations(incarnation.id)
        for configuration in stored
        where configuration.digest != StoredConfiguration.digest(configuration.record, incarnation) {
            throw ArchiveError(.corrupt("a configuration of bucket \(incarnation.bucket) is not what was written"))
        }
        if !mayMiss { try checkComplete(.configuration, stored.map(\.id), incarnation) }
        return stored.map(\.record)
    }

    /// Writes a configuration's row.
    func save(_ record: ConfigurationRecord, _ incarnation: Incarnation) throws {
        try execute(
            sql: "INSERT INTO configuration (incarnation, revision, time, json, digest) VALUES (?, ?, ?, ?, ?)",
            arguments: [
                incarnation.id.rawValue, try record.revision.stored(), record.time.nanoseconds, record.json,
                Data(StoredConfiguration.digest(record, incarnation)),
            ]
        )
        try count(.configuration, by: 1, incarnation)
    }

    func tags(_ id: IncarnationID) throws -> [ArchiveTag] {
        let sql = """
            SELECT name, revision, time, note, created, digest, rowid FROM tag WHERE incarnation = ?
            ORDER BY revision, name
            """
        let incarnation = try incarnation(id)
        let root = SegmentDigest.root(incarnation)
        let rows = try rows(sql, [id.rawValue])
        let tags = try rows.map { row in
            try row.check(SegmentDigest.tag, root, count: 5, "a tag of bucket \(incarnation.bucket)")
            return ArchiveTag(
                name: try row.text(0),
                incarnation: id,
                revision: try row.revision(1),
                time: try row.optional(2, row.time),
                note: try row.text(3),
                created: try row.time(4)
            )
        }
        try checkComplete(.tag, rows.map { try $0.integer(6) }, incarnation)
        return tags
    }

    func runs() throws -> [ArchiveRun] {
        let sql = """
            SELECT \(ArchiveRun.columns), digest FROM run ORDER BY id
            """
        return try rows(sql).map { row in
            let outcome = try row.text(9)
            guard let known = ArchiveRun.Outcome(rawValue: outcome) else {
                throw ArchiveError(.corrupt("\"\(outcome)\" is no outcome of a run"))
            }
            try row.check(SegmentDigest.run, [], count: 11, "run \(try row.integer(0))")
            return ArchiveRun(
                id: RunID(rawValue: try row.integer(0)),
                kind: try row.text(1),
                incarnation: try row.optional(2, row.integer).map(IncarnationID.init(rawValue:)),
                started: try row.time(3),
                finished: try row.optional(4, row.time),
                fromRevision: try row.optional(5, row.revision),
                toRevision: try row.optional(6, row.revision),
                entries: Int(try row.integer(7)),
                bytes: Int(try row.integer(8)),
                outcome: known,
                error: try row.optional(10, row.text)
            )
        }
    }
}

extension Incarnation {
    static let columns = "id, cluster, bucket, created, filter"

    /// Reads a row of `columns`.
    init(_ row: StoredRow) throws {
        let name = try row.text(2)
        guard let bucket = try? BucketName(name) else { throw ArchiveError(.corrupt("\"\(name)\" is no bucket name")) }
        let text = try row.text(4)
        guard let filter = try? Self.filter(text) else { throw ArchiveError(.corrupt("\"\(text)\" is no filter")) }
        self.init(
            id: IncarnationID(rawValue: try row.integer(0)),
            cluster: try row.text(1),
            bucket: bucket,
            created: try row.text(3),
            filter: filter
        )
    }
}

/// A configuration's row with the digest it was stored under.
struct StoredConfiguration {
    let record: ConfigurationRecord
    let digest: [UInt8]
    let id: Int64

    static let columns = "revision, time, json, digest, id"

    init(_ row: StoredRow) throws {
        record = ConfigurationRecord(revision: try row.revision(0), time: try row.time(1), json: try row.text(2))
        digest = Array(try row.blob(3))
        id = try row.integer(4)
    }

    static func digest(_ record: ConfigurationRecord, _ incarnation: Incarnation) -> [UInt8] {
        var numbers: [UInt8] = []
        numbers.appendBigEndian(record.revision)
        numbers.appendBigEndian(UInt64(bitPattern: record.time.nanoseconds))
        return SegmentDigest.fields(
            "cistern configuration 1\n",
            [SegmentDigest.root(incarnation), numbers, Array(record.json.utf8)]
        )
    }
}

/// A checkpoint's row: the checkpoint, and the end of the chain that it closes.
struct StoredCheckpoint {
    var checkpoint: Checkpoint
    /// How many segments the incarnation has.
    var segments: Int64
    /// The last segment's digest, or the chain's root if there is none.
    var head: [UInt8]
    /// States before this revision are known only at points: a prune dropped what others need; 0 before the first.
    var exactFrom: Revision
    /// How many records there are beside the segments.
    var records: RecordCounts
    /// The digest of the row.
    var digest: [UInt8]

    init(
        _ checkpoint: Checkpoint,
        segments: Int64,
        head: [UInt8],
        exactFrom: Revision = 0,
        records: RecordCounts = RecordCounts(),
        incarnation: Incarnation
    ) {
        self.checkpoint = checkpoint
        self.segments = segments
        self.head = head
        self.exactFrom = exactFrom
        self.records = records
        digest = []
        digest = expectedDigest(incarnation)
    }

    static let columns = """
        resume_revision, consistent_revision, consistent_time, source_messages, source_bytes, source_first,
        source_last, updated, segments, head, exact_from, \(RecordCounts.columns), digest
        """

    init(_ row: StoredRow) throws {
        checkpoint = Checkpoint(
            resumeRevision: try row.revision(0),
            consistentRevision: try row.optional(1, row.revision),
            consistentTime: try row.optional(2, row.time),
            sourceState: Checkpoint.SourceState(
                messages: UInt64(bitPattern: try row.integer(3)),
                bytes: UInt64(bitPattern: try row.integer(4)),
                firstSequence: UInt64(bitPattern: try row.integer(5)),
                lastSequence: UInt64(bitPattern: try row.integer(6))
            ),
            updated: try row.time(7)
        )
        segments = try row.integer(8)
        head = Array(try row.blob(9))
        exactFrom = try row.revision(10)
        records = try RecordCounts(row, from: 11)
        digest = Array(try row.blob(11 + RecordKind.allCases.count))
    }

    /// Writes the next segment at the end of the chain.
    mutating func append(_ segment: SealedSegment, of incarnation: Incarnation, _ db: Database) throws {
        head = SegmentDigest.chained(
            segment.header,
            segment.sizes,
            segment.parts,
            segment.seal,
            ordinal: segments,
            previous: head
        )
        try db.insert(segment, incarnation.id, ordinal: segments, digest: head)
        segments += 1
    }

    /// What `digest` must be.
    func expectedDigest(_ incarnation: Incarnation) -> [UInt8] {
        var numbers: [UInt8] = []
        for number in [
            checkpoint.resumeRevision, checkpoint.consistentRevision == nil ? 0 : 1, checkpoint.consistentRevision ?? 0,
            checkpoint.consistentTime == nil ? 0 : 1,
            UInt64(bitPattern: checkpoint.consistentTime?.nanoseconds ?? 0),
            checkpoint.sourceState.messages, checkpoint.sourceState.bytes, checkpoint.sourceState.firstSequence,
            checkpoint.sourceState.lastSequence, UInt64(bitPattern: checkpoint.updated.nanoseconds),
            UInt64(bitPattern: segments), exactFrom,
        ] + records.numbers.map({ UInt64(bitPattern: $0) }) { numbers.appendBigEndian(number) }
        return SegmentDigest.fields("cistern checkpoint 1\n", [SegmentDigest.root(incarnation), numbers, head])
    }
}
