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

    /// The parts; what is not named has its default.
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
    /// The addresses of its servers, without credentials.
    public var servers: [String] = []
    /// The user's name.
    public var user: String?
    /// The user's password.
    public var password: Secret?
    /// A token, in place of a user.
    public var token: Secret?
    /// The path of a credentials file.
    public var credentials: String?
    /// The path of a file with an NKey seed.
    public var nkey: String?
    /// How to encrypt.
    public var tls = TLS()
    /// The JetStream domain.
    public var domain: String?
    /// What the subjects of the JetStream API begin with.
    public var apiPrefix: String?
    /// What reply subjects begin with.
    public var inboxPrefix: String?
    /// A SOCKS5 proxy.
    public var socksProxy: String?
    /// How long a connection or a request may take, in nanoseconds.
    public var timeout: Int64?
    /// How many runs may use the cluster at once, those of jobs that run all the time not counted; nil for no limit of
    /// its own.
    public var concurrency: Int?
    /// How many bytes a second all runs together may move from or to it; nil for no limit.
    public var bytesPerSecond: UInt64?

    /// How to encrypt; all paths are of files in PEM.
    public struct TLS: Sendable, Hashable {
        /// The authorities to trust.
        public var ca: String?
        /// The certificate to show.
        public var certificate: String?
        /// The certificate's key.
        public var key: String?
        /// Whether TLS begins before the server's greeting.
        public var first = false

        /// The defaults.
        public init() {}
    }

    /// The defaults.
    public init() {}
}

/// Where an archive is.
public struct ArchiveSettings: Sendable, Hashable {
    /// The path of its file.
    public var path: String
    /// The path of the file with its key; nil if it is not encrypted.
    public var keyFile: String?
    /// Its passphrase, in place of a key file.
    public var passphrase: Secret?

    /// The parts; what is not named has its default.
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
    /// How many runs go at once, those of jobs that run all the time not counted.
    public var concurrency = 4
    /// For how long a stop waits for checkpoints, in nanoseconds.
    public var stopWithin: Int64 = 10_000_000_000

    /// The defaults.
    public init() {}
}

/// The address of the HTTP face.
public struct HTTPSettings: Sendable, Hashable {
    /// The address to listen on.
    public var host = "127.0.0.1"
    /// The port to listen on.
    public var port = 8422
    /// What a request from elsewhere must bear.
    public var token: Secret?
    /// The path of the certificate chain, in PEM.
    public var certificate: String?
    /// The path of its key, in PEM.
    public var key: String?

    /// The defaults.
    public init() {}
}

/// The bucket that daemons share their leases in.
public struct LeaseSettings: Sendable, Hashable {
    /// The cluster's name in the file.
    public var cluster: String
    /// The bucket's name.
    public var bucket = "cistern-leases"
    /// How long a lease lives that is not renewed, in nanoseconds.
    public var duration: Int64 = 15_000_000_000

    /// The parts; what is not named has its default.
    public init(cluster: String) {
        self.cluster = cluster
    }
}

/// A text that no message, log or document shows.
public struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The text itself.
    public var value: String

    /// A secret of this text.
    public init(_ value: String) {
        self.value = value
    }

    /// Shows nothing.
    public var description: String { "(secret)" }
    /// Shows nothing.
    public var debugDescription: String { "(secret)" }
    /// Shows nothing to `dump` either.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
