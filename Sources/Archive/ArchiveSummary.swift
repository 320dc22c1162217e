import GRDB
public import KVModel

/// What an archive holds, at a glance.
public struct ArchiveSummary: Sendable {
    /// What it holds of one incarnation.
    public struct Bucket: Sendable {
        /// The incarnation.
        public let incarnation: Incarnation
        /// How many segments.
        public let segments: Int
        /// How many entries.
        public let entries: Int
        /// The first archived revision; nil without entries.
        public let firstRevision: Revision?
        /// The last archived revision.
        public let lastRevision: Revision?
        /// When the first was stored.
        public let firstTime: Timestamp?
        /// When the last was stored.
        public let lastTime: Timestamp?
        /// Bytes of keys, header blocks and values.
        public let rawBytes: Int
        /// Bytes that they take in the archive.
        public let storedBytes: Int
        /// How far the archive follows it.
        public let checkpoint: Checkpoint?
        /// The revision from which on every state can be read; 0 if no prune has dropped anything.
        ///
        /// Before it, only the points that were kept can be read.
        public let exactFrom: Revision
        /// The configurations observed, oldest first.
        public let configurations: [ConfigurationRecord]
        /// Its tags, by revision.
        public let tags: [ArchiveTag]
    }

    /// The archive's path.
    public let path: String
    /// The format version.
    public let format: Int
    /// The file's size, without its write-ahead log.
    public let fileSize: Int
    /// How it is encrypted; nil if it is not.
    public let encryption: ArchiveEncryption?
    /// The incarnations, in the order in which the archive met them.
    public let buckets: [Bucket]
    /// The audit trail, oldest first.
    public let runs: [ArchiveRun]
}

/// One segment, at a glance.
public struct SegmentSummary: Sendable, Equatable {
    /// Its place in the chain.
    public let ordinal: Int
    /// The revisions it spans.
    public let revisions: ClosedRange<Revision>
    /// The first and the last entry's time.
    public let firstTime: Timestamp
    /// The last entry's time.
    public let lastTime: Timestamp
    /// How many entries.
    public let entries: Int
    /// Bytes of keys, header blocks and values.
    public let rawBytes: Int
    /// Bytes that they take in the archive.
    public let storedBytes: Int
    /// Its digest, in hexadecimal.
    public let digest: String
}

/// One consistent point, at a glance.
public struct PointSummary: Sendable, Equatable {
    /// The point.
    public let point: ConsistentPoint
    /// How many entries are written down of it, because a prune dropped others; nil where it dropped none.
    public let heldEntries: Int?
}

extension ArchiveReader {
    /// What the archive holds, at one point.
    public func summary() throws -> ArchiveSummary {
        try read { db in
            ArchiveSummary(
                path: path,
                format: Int(try db.integer("PRAGMA user_version")),
                fileSize: FileState.size(path),
                encryption: try db.encryption(),
                buckets: try db.incarnations().map { try Self.bucket($0, db) },
                runs: try db.runs()
            )
        }
    }

    /// The segments of an incarnation, in order.
    public func segments(of id: IncarnationID) throws -> [SegmentSummary] {
        try read { db in
            try db.segments(of: db.incarnation(id)).map { row in
                let last = max(row.header.firstRevision, row.header.lastRevision)
                return SegmentSummary(
                    ordinal: Int(row.ordinal),
                    revisions: row.header.firstRevision...last,
                    firstTime: row.header.firstTime,
                    lastTime: row.header.lastTime,
                    entries: row.header.count,
                    rawBytes: row.header.rawSize,
                    storedBytes: row.sizes.total,
                    digest: row.digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
                )
            }
        }
    }

    /// The revisions at which the archive was proved to hold the bucket exactly, in order.
    public func points(of id: IncarnationID) throws -> [PointSummary] {
        try read { db in
            let incarnation = try db.incarnation(id)
            let exactFrom = try db.soundCheckpoint(incarnation)?.exactFrom ?? 0
            return try db.soundPoints(incarnation, mayMiss: true).map { stored in
                let isKept = stored.point.revision <= exactFrom
                return PointSummary(point: stored.point, heldEntries: isKept ? Int(stored.entries) : nil)
            }
        }
    }

    private static func bucket(_ incarnation: Incarnation, _ db: Database) throws -> ArchiveSummary.Bucket {
        let stored = try db.soundCheckpoint(incarnation)
        let rows = try db.segments(of: incarnation)
        return ArchiveSummary.Bucket(
            incarnation: incarnation,
            segments: rows.count,
            entries: rows.reduce(0) { $0 + $1.header.count },
            firstRevision: rows.first?.header.firstRevision,
            lastRevision: rows.last?.header.lastRevision,
            firstTime: rows.map(\.header.firstTime).min(),
            lastTime: rows.map(\.header.lastTime).max(),
            // The digests are right; whether who wrote them told the truth is another question.
            rawBytes: rows.reduce(0) { $0 &+ $1.header.rawSize },
            storedBytes: rows.reduce(0) { $0 &+ $1.sizes.total },
            checkpoint: stored?.checkpoint,
            exactFrom: stored?.exactFrom ?? 0,
            // What an archive is that has lost some can still be shown.
            configurations: try db.configurations(incarnation, mayMiss: true),
            tags: try db.tags(incarnation.id)
        )
    }
}
