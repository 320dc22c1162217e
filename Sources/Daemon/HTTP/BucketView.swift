public import KVModel

/// A live bucket as a daemon last saw it.
public struct BucketView: Sendable, Hashable, Codable {
    /// The cluster's name in the configuration file.
    public var cluster: String
    /// The bucket's name.
    public var name: String
    /// When its status was last asked for with success, in nanoseconds since 1970; nil if never.
    public var seen: Int64?
    /// Why its status cannot be had now; nil if it can.
    public var error: String?
    /// The entries it holds, history and markers of deleted keys among them.
    public var values: UInt64
    /// The bytes that these take on a server.
    public var bytes: UInt64
    /// How many entries it keeps of each key; -1 without a limit.
    public var history: Int64
    /// How long it keeps an entry, in nanoseconds; 0 for ever.
    public var ttl: Int64
    /// On how many servers it is kept.
    public var replicas: Int64
    /// Where the servers keep it: `file` or `memory`.
    public var storage: String
    /// Whether the servers compress it.
    public var isCompressed: Bool
    /// The largest size in bytes; -1 without a limit.
    public var maximumBytes: Int64
    /// The revision of its newest entry.
    public var lastRevision: Revision

    /// A bucket and its status.
    public init(
        cluster: String,
        name: String,
        seen: Int64?,
        error: String? = nil,
        values: UInt64 = 0,
        bytes: UInt64 = 0,
        history: Int64 = 1,
        ttl: Int64 = 0,
        replicas: Int64 = 1,
        storage: String = "file",
        isCompressed: Bool = false,
        maximumBytes: Int64 = -1,
        lastRevision: Revision = 0
    ) {
        self.cluster = cluster
        self.name = name
        self.seen = seen
        self.error = error
        self.values = values
        self.bytes = bytes
        self.history = history
        self.ttl = ttl
        self.replicas = replicas
        self.storage = storage
        self.isCompressed = isCompressed
        self.maximumBytes = maximumBytes
        self.lastRevision = lastRevision
    }
}

/// An archive as a daemon last saw it.
public struct ArchiveView: Sendable, Hashable, Codable {
    /// One bucket that the archive holds.
    public struct Content: Sendable, Hashable, Codable {
        /// The cluster's name in the archive.
        public var cluster: String
        /// The bucket's name.
        public var bucket: String
        /// The newest revision at which the archive holds the bucket exactly as it was; nil if there is none yet.
        public var consistentRevision: Revision?
        /// When the bucket was at that revision, in nanoseconds since 1970.
        public var consistentTime: Int64?

        /// A bucket, and how far the archive holds it.
        public init(
            cluster: String,
            bucket: String,
            consistentRevision: Revision? = nil,
            consistentTime: Int64? = nil
        ) {
            self.cluster = cluster
            self.bucket = bucket
            self.consistentRevision = consistentRevision
            self.consistentTime = consistentTime
        }
    }

    /// Its name in the configuration file.
    public var name: String
    /// The path of its file.
    public var path: String
    /// The size of its files; 0 if there are none yet.
    public var bytes: UInt64
    /// What it holds.
    public var buckets: [Content]
    /// Why it cannot be read now; nil if it can, or if there is nothing yet.
    public var error: String?

    /// An archive, and what it holds.
    public init(name: String, path: String, bytes: UInt64 = 0, buckets: [Content] = [], error: String? = nil) {
        self.name = name
        self.path = path
        self.bytes = bytes
        self.buckets = buckets
        self.error = error
    }
}
