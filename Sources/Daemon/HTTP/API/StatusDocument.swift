public import KVModel

/// The answer to `GET /api/v1/status`.
///
/// Members of the API's documents get names in snake case; fields are added, never changed.
public struct StatusDocument: Codable, Sendable {
    public struct Counts: Codable, Sendable {
        public var jobs: Int
        public var failing: Int
        public var running: Int
        public var waiting: Int
        public var elsewhere: Int
        public var ok: Int
        public var neverRan: Int
        public var paused: Int
    }

    public struct Daemon: Codable, Sendable {
        public var name: String
        public var isSelf: Bool
        public var seen: String?
        public var jobs: [String]
    }

    public var daemon: String
    public var version: String
    public var started: String
    public var now: String
    public var counts: Counts
    public var jobs: [JobDocument]
    public var buckets: [BucketStatusDocument]
    public var archives: [ArchiveStatusDocument]
    public var daemons: [Daemon]

    public init(_ view: DaemonView) {
        daemon = view.name
        version = view.version
        started = TimeText.rfc3339(view.started)
        now = TimeText.rfc3339(view.now)
        counts = Counts(
            jobs: view.jobs.count,
            failing: view.count(.failing),
            running: view.count(.running),
            waiting: view.count(.waiting),
            elsewhere: view.count(.elsewhere),
            ok: view.count(.ok),
            neverRan: view.count(.neverRan),
            paused: view.count(.paused)
        )
        jobs = view.jobs.map { JobDocument($0) }
        buckets = view.buckets.map { BucketStatusDocument($0) }
        archives = view.archives.map { ArchiveStatusDocument($0) }
        daemons = view.daemons.map {
            Daemon(name: $0.name, isSelf: $0.isSelf, seen: $0.seen.map(TimeText.rfc3339), jobs: $0.jobs)
        }
    }
}

/// A live bucket in the API.
public struct BucketStatusDocument: Codable, Sendable {
    public var cluster: String
    public var bucket: String
    public var seen: String?
    public var error: String?
    public var values: UInt64
    public var bytes: UInt64
    public var history: Int64
    public var ttlSeconds: Double
    public var replicas: Int64
    public var storage: String
    public var compression: Bool
    public var maxBytes: Int64
    public var lastRevision: Revision

    public init(_ view: BucketView) {
        cluster = view.cluster
        bucket = view.name
        seen = view.seen.map(TimeText.rfc3339)
        error = view.error
        values = view.values
        bytes = view.bytes
        history = view.history
        ttlSeconds = TimeText.seconds(view.ttl)
        replicas = view.replicas
        storage = view.storage
        compression = view.isCompressed
        maxBytes = view.maximumBytes
        lastRevision = view.lastRevision
    }
}

/// An archive in the API.
public struct ArchiveStatusDocument: Codable, Sendable {
    public struct Content: Codable, Sendable {
        public var cluster: String
        public var bucket: String
        public var consistentRevision: Revision?
        public var consistentTime: String?
    }

    public var archive: String
    public var path: String
    public var bytes: UInt64
    public var buckets: [Content]
    public var error: String?

    public init(_ view: ArchiveView) {
        archive = view.name
        path = view.path
        bytes = view.bytes
        error = view.error
        buckets = view.buckets.map {
            Content(
                cluster: $0.cluster,
                bucket: $0.bucket,
                consistentRevision: $0.consistentRevision,
                consistentTime: $0.consistentTime.map(TimeText.rfc3339)
            )
        }
    }
}
