import JetStream
import KVModel
import KeyValue
import Replication

/// A live bucket in `--json` output of `kv info`, `kv add`, `kv edit` and `kv ls`.
struct BucketDocument: Encodable, Sendable {
    /// Where a bucket is to be kept.
    struct Placement: Encodable, Hashable, Sendable {
        var cluster: String?
        var tags: [String]
    }

    /// What is republished, and where to.
    struct Republish: Encodable, Hashable, Sendable {
        var source: String
        var destination: String
        var headersOnly: Bool
    }

    var bucket: String
    var description: String
    var created: String
    var stream: String
    var backingStore = "JetStream"
    var history: Int64
    var ttlSeconds: Double
    var limitMarkerTtlSeconds: Double?
    var perKeyTtl: Bool
    var maxBytes: Int64
    var maxValueSize: Int64
    var storage: String
    var compression: Bool
    var replicas: Int64
    var allowDirect: Bool
    var placement: Placement?
    var republish: Republish?
    var isMirror: Bool
    var mirror: OriginDocument?
    var sources: [OriginDocument]?
    var metadata: [String: String]
    var cluster: ClusterDocument?
    var entries: UInt64
    var keys: UInt64?
    var bytes: UInt64
    var firstRevision: Revision
    var lastRevision: Revision
    var lastTime: String?
    var unfinishedRestore: String?

    init(_ bucket: Bucket) {
        let (configuration, info) = (bucket.configuration, bucket.info)
        self.bucket = bucket.name.rawValue
        description = configuration.description
        created = info.created
        stream = info.name
        history = configuration.history
        ttlSeconds = Double(configuration.ttl) / 1e9
        limitMarkerTtlSeconds = configuration.limitMarkerTTL > 0 ? Double(configuration.limitMarkerTTL) / 1e9 : nil
        perKeyTtl = configuration.allowsEntryTTL
        maxBytes = configuration.maximumBytes
        maxValueSize = configuration.maximumValueSize
        storage = configuration.storage
        compression = configuration.isCompressed
        replicas = configuration.replicas
        allowDirect = configuration.allowsDirectGet
        placement = configuration.placement.map { Placement(cluster: $0.cluster, tags: $0.tags) }
        republish = configuration.republish.map {
            Republish(source: $0.source, destination: $0.destination, headersOnly: $0.headersOnly)
        }
        isMirror = configuration.isMirror
        mirror = configuration.mirror.map { OriginDocument($0, info.mirrorStatus) }
        let sources = OriginDocument.sources(configuration, info)
        self.sources = sources.isEmpty ? nil : sources
        metadata = configuration.withoutServerMetadata.metadata
        cluster = info.peers.map(ClusterDocument.init)
        entries = info.state.messages
        keys = Self.keys(info)
        bytes = info.state.bytes
        firstRevision = info.state.firstSequence
        lastRevision = info.state.lastSequence
        lastTime = Self.lastTime(info)
        unfinishedRestore = RestoreMarker(configuration)?.source
    }

    /// How many keys there are, with those of which only a marker is left; nil if the server does not say.
    static func keys(_ info: StreamInfo) -> UInt64? {
        info.reply["state"]?["num_subjects"]?.unsigned
    }

    /// When the newest entry was stored; nil if there never was one.
    static func lastTime(_ info: StreamInfo) -> String? {
        guard info.state.lastSequence > 0 else { return nil }
        return info.reply["state"]?["last_ts"]?.string
    }
}
