// Daemon runs the work of Replication by itself: jobs with their schedules, runs, retries and leases, the configuration
// file that names them, and the HTTP face. Start with `DaemonConfiguration`.

/// A configuration file, checked: whatever a part of it names is there.
public struct DaemonConfiguration: Sendable, Hashable {
    /// The file's path.
    public var path: String
    /// The clusters by name.
    public var clusters: [String: ClusterSettings]
    /// The archives by name.
    public var archives: [String: ArchiveSettings]
    /// The jobs, in the file's order.
    public var jobs: [JobSettings]
    /// What the daemon itself is told.
    public var daemon: DaemonSettings

    public init(
        path: String,
        clusters: [String: ClusterSettings] = [:],
        archives: [String: ArchiveSettings] = [:],
        jobs: [JobSettings] = [],
        daemon: DaemonSettings = DaemonSettings()
    ) {
        self.path = path
        self.clusters = clusters
        self.archives = archives
        self.jobs = jobs
        self.daemon = daemon
    }
}

/// The way to a cluster.
public struct ClusterSettings: Sendable, Hashable {
    /// A context of the `nats` CLI; what else is said here is laid over it.
    public var context: String?
    public var servers: [String] = []
    public var user: String?
    public var password: Secret?
    public var token: Secret?
    /// The path of a credentials file.
    public var credentials: String?
    /// The path of a file with an NKey seed.
    public var nkey: String?
    public var tls = TLS()
    public var domain: String?
    public var apiPrefix: String?
    public var inboxPrefix: String?
    public var socksProxy: String?
    /// How long a connection or a request may take, in nanoseconds.
    public var timeout: Int64?
    /// How many runs may use the cluster at once; nil for no limit of its own.
    public var concurrency: Int?
    /// How many bytes a second all runs together may move from or to it; nil for no limit.
    public var bytesPerSecond: UInt64?

    public struct TLS: Sendable, Hashable {
        public var ca: String?
        public var certificate: String?
        public var key: String?
        public var first = false

        public init() {}
    }

    public init() {}
}

/// Where an archive is.
public struct ArchiveSettings: Sendable, Hashable {
    public var path: String
    /// The path of the file with its key; nil if it is not encrypted.
    public var keyFile: String?
    /// Its passphrase, in place of a key file.
    public var passphrase: Secret?

    public init(path: String) {
        self.path = path
    }
}

/// What the daemon itself is told.
public struct DaemonSettings: Sendable, Hashable {
    /// Where the status page is; nil for none.
    public var http: HTTPSettings? = HTTPSettings()
    /// The path of the state database.
    public var state = "cistern-state.db"
    /// The bucket of leases that several daemons share the work by; nil if this daemon is alone.
    public var leases: LeaseSettings?
    /// How many runs go at once.
    public var concurrency = 4
    /// For how long a stop waits for checkpoints, in nanoseconds.
    public var stopWithin: Int64 = 10_000_000_000

    public init() {}
}

/// The address of the HTTP face.
public struct HTTPSettings: Sendable, Hashable {
    public var host = "127.0.0.1"
    public var port = 8422
    /// What a request from elsewhere must bear.
    public var token: Secret?
    /// The path of the certificate chain, in PEM.
    public var certificate: String?
    /// The path of its key, in PEM.
    public var key: String?

    public init() {}
}

/// The bucket that daemons share their leases in.
public struct LeaseSettings: Sendable, Hashable {
    public var cluster: String
    public var bucket = "cistern-leases"
    /// How long a lease lives that is not renewed, in nanoseconds.
    public var duration: Int64 = 15_000_000_000

    public init(cluster: String) {
        self.cluster = cluster
    }
}

/// A text that no message, log or document shows.
public struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The text itself.
    public var value: String

    public init(_ value: String) {
        self.value = value
    }

    public var description: String { "(secret)" }
    public var debugDescription: String { "(secret)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
