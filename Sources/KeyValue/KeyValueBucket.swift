import JetStream
public import KVModel
import NATSProtocol

/// What can be done with a bucket without changing it.
public protocol KeyValueReading: Sendable {
    /// The bucket's name.
    var name: BucketName { get }
    /// The entry that a key's value stands in, the newest or that of a revision.
    func get(_ key: Key, at revision: Revision?, consistency: ReadConsistency?) async throws -> KeyValueEntry?
    /// The newest entry of a key, a marker included.
    func latest(_ key: Key, consistency: ReadConsistency?) async throws -> KeyValueEntry?
    /// Every entry of a key that the bucket holds, oldest first.
    func history(of key: Key) async throws -> [KeyValueEntry]
    /// The keys that have a value.
    func keys(matching patterns: [KeyPattern]) -> KeyStream
    /// The entries of keys, as they are and as they change.
    func watch(_ patterns: [KeyPattern], options: KeyWatchOptions) -> WatchSequence
    /// What the bucket is and holds now.
    func status() async throws -> BucketStatus
}

/// A bucket for applications: keys and values, with the semantics of the NATS KV specification (ADR-8).
///
/// ```swift
/// let orders = try await Buckets(jetstream).open(try BucketName("orders"))
/// let revision = try await orders.put("order.17", "paid")
/// let entry = try await orders.get("order.17")
/// try await orders.update("order.17", "shipped", expecting: revision)
/// for try await event in orders.watch([try KeyPattern("order.*")]) { … }
/// ```
///
/// Reads are answered by any replica unless told otherwise. What failed for want of a leader or of a connection, and
/// certainly had no effect, is tried again within the time that the JetStream context sets. A write whose answer is
/// lost is `unanswered`: it may be stored. With `repeatsWrites` every write carries a `Nats-Msg-Id` by which the
/// server drops the repetition of what it has (within the bucket's duplicate window, two minutes by default), and such
/// writes are repeated as well; where others write to the key at the same time, only a history of more than one entry
/// tells what became of a repeated `update`.
///
/// It is a value: cheap to make and to pass on, and free of state but for the codecs. `Bucket` is the layer beneath,
/// with entries in batches and without codecs.
public struct KeyValueBucket: KeyValueReading {
    /// The bucket beneath, with the stream as it was when it was opened.
    public let bucket: Bucket
    /// How keys and values are turned on their way.
    public let codecs: BucketCodecs
    /// Who answers reads that do not say it.
    public let consistency: ReadConsistency
    /// Whether writes whose answer is lost are sent again, which costs a header of some 40 bytes an entry.
    public let repeatsWrites: Bool

    /// A bucket with codecs and other choices.
    public init(
        _ bucket: Bucket,
        codecs: BucketCodecs = .none,
        consistency: ReadConsistency = .anyReplica,
        repeatsWrites: Bool = false
    ) {
        self.bucket = bucket
        self.codecs = codecs
        self.consistency = consistency
        self.repeatsWrites = repeatsWrites
    }

    /// The bucket's name.
    public var name: BucketName { bucket.name }

    /// The same bucket for those who must not change it.
    public var readOnly: ReadOnlyBucket { ReadOnlyBucket(self) }

    /// The JetStream that the bucket lives in.
    var context: JetStreamContext { bucket.context }

    /// What is stored in place of a key; throws `invalidKey` if that is no legal key (ADR-8).
    func stored(_ key: Key) throws -> Key {
        let stored: Key
        do {
            stored = try codecs.key?.encode(key) ?? key
        } catch {
            throw KeyValueError(code: .invalidKey, bucket: name, key: key, text: "\(error)", underlying: error)
        }
        guard stored.isLegal else {
            let text = stored == key ? nil : "it is stored as \(stored)"
            throw KeyValueError(code: .invalidKey, bucket: name, key: key, text: text)
        }
        return stored
    }

    /// The patterns of what is stored in place of keys.
    func stored(_ patterns: [KeyPattern]) throws -> [KeyPattern] {
        // Every key is every stored key, whatever the codec.
        guard !patterns.contains(.all) else { return [.all] }
        return try patterns.map { pattern in
            let stored: KeyPattern
            do {
                stored = try codecs.key?.pattern(pattern) ?? pattern
            } catch {
                throw KeyValueError(
                    code: .invalidPattern,
                    bucket: name,
                    text: "\(pattern): \((error as? KeyValueError)?.text ?? "\(error)")",
                    underlying: error
                )
            }
            guard stored.isStorable else {
                throw KeyValueError(
                    code: .invalidPattern,
                    bucket: name,
                    text: "\(stored): spaces and control characters cannot stand in a key"
                )
            }
            return stored
        }
    }
}

/// A bucket that can be read and watched, and not changed.
///
/// To be passed to parts of a program that are not to write. The server does not know of it: what a user may write is
/// up to the permissions.
public struct ReadOnlyBucket: KeyValueReading {
    private let bucket: KeyValueBucket

    init(_ bucket: KeyValueBucket) {
        self.bucket = bucket
    }

    /// The bucket's name.
    public var name: BucketName { bucket.name }

    /// The entry that a key's value stands in, the newest or that of a revision; see `KeyValueBucket`.
    public func get(
        _ key: Key,
        at revision: Revision? = nil,
        consistency: ReadConsistency? = nil
    ) async throws -> KeyValueEntry? {
        try await bucket.get(key, at: revision, consistency: consistency)
    }

    /// The newest entry of a key, a marker included; nil if the bucket has none.
    public func latest(_ key: Key, consistency: ReadConsistency? = nil) async throws -> KeyValueEntry? {
        try await bucket.latest(key, consistency: consistency)
    }

    /// Every entry of a key that the bucket holds, oldest first.
    public func history(of key: Key) async throws -> [KeyValueEntry] {
        try await bucket.history(of: key)
    }

    /// The keys that have a value.
    public func keys(matching patterns: [KeyPattern] = []) -> KeyStream {
        bucket.keys(matching: patterns)
    }

    /// The entries of keys, as they are and as they change.
    public func watch(_ patterns: [KeyPattern] = [], options: KeyWatchOptions = KeyWatchOptions()) -> WatchSequence {
        bucket.watch(patterns, options: options)
    }

    /// What the bucket is and holds now.
    public func status() async throws -> BucketStatus {
        try await bucket.status()
    }
}
