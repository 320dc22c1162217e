import KVModel

/// The answer to `GET /api/v1/status`.
///
/// Members of the API's documents get names in snake case; fields are added, never changed.
struct StatusDocument: Encodable {
    struct Counts: Encodable {
        var jobs: Int
        var failing: Int
        var running: Int
        var waiting: Int
        var elsewhere: Int
        var ok: Int
        var neverRan: Int
        var paused: Int
    }

    struct Daemon: Encodable {
        var name: String
        var isSelf: Bool
        var seen: String?
        var jobs: [String]
    }

    var daemon: String
    var version: String
    var started: String
    var now: String
    var counts: Counts
    var jobs: [JobDocument]
    var buckets: [BucketStatusDocument]
    var archives: [ArchiveStatusDocument]
    var daemons: [Daemon]

    init(_ view: DaemonView) {
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
struct BucketStatusDocument: Encodable {
    var cluster: String
    var bucket: String
    var seen: String?
    var error: String?
    var values: UInt64
    var bytes: UInt64
    var history: Int64
    var ttlSeconds: Double
    var replicas: Int64
    var storage: String
    var compression: Bool
    var maxBytes: Int64
    var lastRevision: Revision

    init(_ view: BucketView) {
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
struct ArchiveStatusDocument: Encodable {
    struct Content: Encodable {
        var cluster: String
        var bucket: String
        var consistentRevision: Revision?
        var consistentTime: String?
    }

    var archive: String
    var path: String
    var bytes: UInt64
    var buckets: [Content]
    var error: String?

    init(_ view: ArchiveView) {
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
