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
        return try await withBuckets(console) { try await body(try await $0.find(name)) }
    }

    /// Connects and gives the bucket's values to `body`.
    ///
    /// They are read from the leader, so that a script reads what the line before wrote.
    func withKeyValue<Result: Sendable>(
        _ console: Console,
        _ body: (KeyValueBucket) async throws -> Result
    ) async throws -> Result {
        try await withBucket(console) { try await body(KeyValueBucket($0, consistency: .leader)) }
    }
}

extension Buckets {
    /// Opens a bucket; of one that does not exist it is said which may have been meant.
    func find(_ name: BucketName) async throws -> Bucket {
        do {
            return try await bucket(name)
        } catch let error as KeyValueError where error.code == .bucketNotFound {
            let known: [String]
            // Who may open buckets may not list them: then there is nothing to suggest.
            do { known = try await list().map(\.name.rawValue) } catch { known = [] }
            guard let meant = Spelling.closest(to: name.rawValue, among: known) else { throw error }
            throw CommandError(
                .nothingMatches,
                text: "there is no bucket \(name)",
                hint: "did you mean \(meant)? `cistern kv ls` lists the buckets of this account"
            )
        }
    }
}

/// What a write did, in `--json` output.
struct WriteDocument: Encodable, Hashable, Sendable {
    var bucket: String
    var key: String
    /// `put`, `create`, `update`, `revert`, `delete` or `purge`.
    var operation: String
    var revision: Revision
}
