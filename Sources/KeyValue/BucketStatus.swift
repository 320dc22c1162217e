public import JetStream
public import KVModel

/// What a bucket is and holds, as the server said it when it was asked.
public struct BucketStatus: Sendable, Hashable {
    /// The bucket.
    public let bucket: BucketName
    /// The server's reply, whole.
    public let info: StreamInfo

    /// The status of a bucket as it was when it was opened or refreshed.
    public init(_ bucket: Bucket) {
        self.bucket = bucket.name
        info = bucket.info
    }

    /// The configuration.
    public var configuration: BucketConfiguration { BucketConfiguration(stream: info.configuration) }

    /// How many entries there are, older ones and markers included.
    public var values: UInt64 { info.state.messages }

    /// The bucket's size in bytes, as the server stores it.
    public var bytes: UInt64 { info.state.bytes }

    /// How many entries the bucket keeps of each key.
    public var history: Int64 { configuration.history }

    /// How long the bucket keeps an entry; nil for ever.
    public var timeToLive: Duration? { configuration.timeToLive }

    /// How long markers of expired keys stay; nil if there are none.
    public var limitMarkerTimeToLive: Duration? { configuration.limitMarkerTimeToLive }

    /// Whether entries may have a lifetime of their own.
    public var allowsEntryTimeToLive: Bool { configuration.allowsEntryTTL }

    /// Where the server keeps the bucket.
    public var storage: BucketConfiguration.Storage { configuration.storageType }

    /// On how many servers the bucket is kept.
    public var replicas: Int64 { configuration.replicas }

    /// Whether the server compresses the bucket on disk.
    public var isCompressed: Bool { configuration.isCompressed }

    /// What keeps the bucket: always `JetStream`.
    public var backingStore: String { "JetStream" }

    /// Free names and values kept with the bucket, without the server's own.
    public var metadata: [String: String] { configuration.withoutServerMetadata.metadata }

    /// On which servers the bucket is; nil where the server does not say it.
    public var cluster: StreamPeers? { info.peers }

    /// How far a mirror has followed its origin; nil for other buckets.
    public var mirror: OriginStatus? { info.mirrorStatus }

    /// How far the bucket has followed its sources.
    public var sources: [OriginStatus] { info.sourceStatuses }
}

extension KeyValueBucket {
    /// What the bucket is and holds now; throws `KeyValueError` with `.bucketNotFound` if it is gone.
    public func status() async throws -> BucketStatus {
        try await attempt(about: nil, repeats: true) { _ in BucketStatus(try await bucket.refreshed()) }
    }
}
