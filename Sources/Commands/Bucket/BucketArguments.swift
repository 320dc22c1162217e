import ArgumentParser
import KVModel
import KeyValue

/// The bucket that a `kv` command works on, and the way to its server.
struct BucketArguments: ParsableArguments, Sendable {
    @Argument(
        help: "The bucket: NAME, or CLUSTER/NAME with a `nats` context as the cluster.",
        transform: BucketReference.parseSingle
    )
    var bucket: BucketReference

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    /// The bucket's name.
    var name: BucketName {
        get throws {
            guard let name = bucket.name else { throw ModelError.invalidBucketName(bucket.description) }
            return name
        }
    }

    /// Connects and gives the buckets of its server to `body`.
    func withBuckets<Result: Sendable>(
        _ console: Console,
        _ body: (Buckets) async throws -> Result
    ) async throws -> Result {
        try await connection.withBuckets(of: bucket.cluster, console, body)
    }

    /// Connects and gives the bucket to `body`.
    func withBucket<Result: Sendable>(
        _ console: Console,
        _ body: (Bucket) async throws -> Result
    ) async throws -> Result {
        let name = try name
        return try await withBuckets(console) { try await body(try await $0.bucket(name)) }
    }
}

/// What a write did, in `--json` output.
struct WriteDocument: Encodable, Hashable, Sendable {
    var bucket: String
    var key: String
    /// `put`, `delete` or `purge`.
    var operation: String
    var revision: Revision
}
