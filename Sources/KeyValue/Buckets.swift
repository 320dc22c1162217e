public import JetStream
public import KVModel
import NATSProtocol

// KeyValue is NATS Key-Value buckets as the specification has them (ADR-8, refined by ADR-48 and ADR-54): a bucket is
// a stream `KV_<bucket>`, a key a subject `$KV.<bucket>.<key>`, an entry a message. It manages buckets, reads, writes
// and watches them. It never changes a configuration that it was not asked to change, and never stores anything on the
// client's side. Start with `Buckets` (the buckets of an account), `Bucket` (one of them) and `Watch` (its entries as
// they come, in batches).

/// The buckets of an account.
public struct Buckets: Sendable {
    /// The JetStream they live in.
    public let context: JetStreamContext

    /// The buckets of this JetStream.
    public init(_ context: JetStreamContext) {
        self.context = context
    }

    /// Opens a bucket; throws `KeyValueError` with `.bucketNotFound` if it does not exist.
    public func bucket(_ name: BucketName) async throws -> Bucket {
        do {
            return Bucket(context, try await context.streamInfo(name.streamName))
        } catch let error as JetStreamError where error.code == .streamNotFound {
            throw KeyValueError(code: .bucketNotFound, bucket: name)
        }
    }

    /// Creates a bucket; what the server's version does not know is refused, not dropped.
    public func create(_ configuration: BucketConfiguration) async throws -> Bucket {
        let (adapted, unknown) = configuration.adapted(to: context.serverVersion)
        if let field = unknown.first {
            throw KeyValueError(
                code: .unsupported,
                bucket: configuration.name,
                text: "the server, version \(context.serverVersion), does not know \(field)"
            )
        }
        do {
            return Bucket(context, try await context.createStream(adapted.stream))
        } catch let error as JetStreamError where error.code == .streamExists {
            throw KeyValueError(code: .bucketExists, bucket: configuration.name)
        }
    }

    /// Gives a bucket another configuration, as far as the server changes it in place.
    public func update(_ configuration: BucketConfiguration) async throws -> Bucket {
        do {
            return Bucket(context, try await context.updateStream(configuration.stream))
        } catch let error as JetStreamError where error.code == .streamNotFound {
            throw KeyValueError(code: .bucketNotFound, bucket: configuration.name)
        }
    }

    /// Deletes a bucket with all its entries.
    public func delete(_ name: BucketName) async throws {
        do {
            try await context.deleteStream(name.streamName)
        } catch let error as JetStreamError where error.code == .streamNotFound {
            throw KeyValueError(code: .bucketNotFound, bucket: name)
        }
    }

    /// All buckets, by name.
    public func list() async throws -> [Bucket] {
        // A mirror has no subjects of its own, so a list by subject would leave it out.
        try await context.streams()
            .filter { BucketName(streamName: $0.name) != nil }
            .map { Bucket(context, $0) }
            .sorted { $0.name < $1.name }
    }
}

extension Buckets {
    /// Opens a bucket for an application; throws `KeyValueError` with `.bucketNotFound` if it does not exist.
    public func open(_ name: BucketName, codecs: BucketCodecs = .none) async throws -> KeyValueBucket {
        KeyValueBucket(try await bucket(name), codecs: codecs)
    }
}
