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

    /// The bucket that a server has just told everything of.
    package func bucket(told info: StreamInfo) -> Bucket { Bucket(context, info) }

    /// Makes a stream of exactly this configuration, be it a bucket's or not; what the server's version does not know is
    /// refused, not dropped.
    package func createStream(of configuration: BucketConfiguration) async throws -> Bucket {
        let version = try await refuseUnknown(configuration)
        do {
            return Bucket(
                context,
                try await context.createStream(configuration.adapted(to: version).configuration.stream)
            )
        } catch let error as JetStreamError where error.code == .streamExists {
            throw KeyValueError(code: .bucketExists, bucket: configuration.name)
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

    /// All buckets, by name; throws if one of them does not answer.
    public func list() async throws -> [Bucket] {
        let found = try await survey()
        if let failure = found.failures.first { throw failure }
        return found.buckets
    }
}
