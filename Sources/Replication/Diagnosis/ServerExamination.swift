import KVModel
public import NATSProtocol

/// What was found out about a server and about a user's account there.
public struct ServerExamination: Sendable, Hashable {
    /// What came of asking for something.
    public enum Answer: Sendable, Hashable {
        /// The server listened.
        case granted
        /// The user may not publish to the subject.
        case denied
        /// Nothing came, and nothing that says why.
        case unanswered
    }

    /// What an account may use and uses; limits below zero are none.
    public struct Account: Sendable, Hashable {
        /// Bytes of memory that are used.
        public var memory: Int64 = 0
        /// Bytes in files that are used.
        public var storage: Int64 = 0
        /// Streams that there are, buckets among them.
        public var streams: Int64 = 0
        /// Consumers that there are, of all streams.
        public var consumers: Int64 = 0
        /// Bytes of memory that may be used.
        public var maximumMemory: Int64 = -1
        /// Bytes in files that may be used.
        public var maximumStorage: Int64 = -1
        /// Streams that there may be.
        public var maximumStreams: Int64 = -1
        /// Consumers that there may be, of all streams.
        public var maximumConsumers: Int64 = -1
        /// The largest that a bucket in memory may be; 0 or less for no limit of its own.
        public var maximumMemoryBucket: Int64 = 0
        /// The largest that a bucket in files may be; 0 or less for no limit of its own.
        public var maximumStorageBucket: Int64 = 0
        /// Whether every bucket must have a largest size.
        public var requiresMaximumBytes = false
        /// The JetStream API level; 0 if the server does not say one.
        public var apiLevel: Int64 = 0

        /// An account without limits that uses nothing.
        public init() {}
    }

    /// The server's version.
    public var version: ServerVersion
    /// The server's name.
    public var serverName: String
    /// The cluster's name; nil for a server on its own.
    public var clusterName: String?
    /// The largest message that it takes.
    public var maximumPayload: Int
    /// The account; nil if the server does not tell.
    public var account: Account?
    /// Why JetStream cannot be used at all; nil if it can.
    public var obstacle: String?
    /// What the user may ask for.
    public var rights: [ServerRight: Answer] = [:]
    /// The subjects that rights are about, with wildcards for the bucket.
    public var subjects: [ServerRight: String] = [:]

    /// A server of which nothing more is known.
    public init(version: ServerVersion, serverName: String, clusterName: String?, maximumPayload: Int) {
        self.version = version
        self.serverName = serverName
        self.clusterName = clusterName
        self.maximumPayload = maximumPayload
    }
}

extension ServerExamination.Account {
    /// An account as the server tells of it; of one with tiers, what all tiers come to.
    init(_ reply: JSONValue) {
        let tiers = (reply["tiers"]?.object ?? [:]).values
        for part in tiers.isEmpty ? [reply] : Array(tiers) {
            let limits = part["limits"]
            memory += part["memory"]?.integer ?? 0
            storage += part["storage"]?.integer ?? 0
            streams += part["streams"]?.integer ?? 0
            consumers += part["consumers"]?.integer ?? 0
            requiresMaximumBytes = requiresMaximumBytes || limits?["max_bytes_required"]?.bool == true
        }
        apiLevel = reply["api"]?["level"]?.integer ?? 0
        // Limits of several tiers cannot be added up: each holds for its own number of replicas.
        guard tiers.count <= 1, let limits = (tiers.first ?? reply)["limits"] else { return }
        maximumMemory = limits["max_memory"]?.integer ?? -1
        maximumStorage = limits["max_storage"]?.integer ?? -1
        maximumStreams = limits["max_streams"]?.integer ?? -1
        maximumConsumers = limits["max_consumers"]?.integer ?? -1
        maximumMemoryBucket = limits["memory_max_stream_bytes"]?.integer ?? 0
        maximumStorageBucket = limits["storage_max_stream_bytes"]?.integer ?? 0
    }
}
