package import KVModel

/// The answer to `GET /api/v1/status`.
///
/// Members of the API's documents get names in snake case; fields are added, never changed.
package struct StatusDocument: Codable, Sendable {
    package struct Counts: Codable, Sendable {
        package var jobs: Int
        package var failing: Int
        package var running: Int
        package var waiting: Int
        package var elsewhere: Int
        package var ok: Int
        package var neverRan: Int
        package var paused: Int
    }

    package struct Daemon: Codable, Sendable {
        package var name: String
        package var isSelf: Bool
        package var seen: String?
        package var jobs: [String]
    }

    package var daemon: String
    package var version: String
    package var started: String
    package var now: String
    package var counts: Counts
    package var jobs: [JobDocument]
    package var buckets: [BucketStatusDocument]
    package var archives: [ArchiveStatusDocument]
    package var daemons: [Daemon]

    package init(_ view: DaemonView) {
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
package struct BucketStatusDocument: Codable, Sendable {
    package var cluster: String
    package var bucket: String
    package var seen: String?
    package var error: String?
    package var values: UInt64
    package var bytes: UInt64
    package var history: Int64
    package var ttlSeconds: Double
    package var replicas: Int64
    package var storage: String
    package var compression: Bool
    package var maxBytes: Int64
    package var lastRevision: Revision

    package init(_ view: BucketView) {
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
package struct ArchiveStatusDocument: Codable, Sendable {
    package struct Content: Codable, Sendable {
        package var cluster: String
        package var bucket: String
        package var consistentRevision: Revision?
        package var consistentTime: String?
    }

    package var archive: String
    package var path: String
    package var bytes: UInt64
    package var buckets: [Content]
    package var error: String?

    package init(_ view: ArchiveView) {
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
