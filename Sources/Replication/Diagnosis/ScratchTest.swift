import JetStream
public import KVModel
public import KeyValue

/// Makes a bucket, writes, reads and changes it, and deletes it: what a probe cannot see is seen by this.
///
/// The bucket has always the same name, and says whose it is: what a killed test left is deleted by the next one, and
/// a bucket of somebody else's is left alone.
public struct ScratchTest: Sendable {
    /// The bucket's name.
    public static let bucket = BucketName(unchecked: "cistern-doctor-scratch")
    private static let mark = "made by cistern doctor --write-test, and deleted again"

    private let buckets: Buckets

    /// A test of an account's buckets.
    public init(_ buckets: Buckets) {
        self.buckets = buckets
    }

    /// Does it; throws what went wrong, with the bucket deleted if that could be done.
    public func run() async throws {
        try await removeLeftover()
        var configuration = BucketConfiguration(name: Self.bucket)
        configuration.description = Self.mark
        configuration.history = 2
        configuration.maximumBytes = 1 << 20
        let bucket = try await buckets.create(configuration)
        do {
            try await exercise(bucket)
        } catch {
            // The first error says more than one of the deletion.
            do { try await buckets.delete(Self.bucket) } catch {}
            throw error
        }
        try await buckets.delete(Self.bucket)
    }

    private func removeLeftover() async throws {
        do {
            let left = try await buckets.bucket(Self.bucket)
            guard left.configuration.description == Self.mark else {
                throw ReplicationError(
                    .targetExists,
                    bucket: Self.bucket.rawValue,
                    text: "it exists, and was not made by a test",
                    hint: "delete or rename it, or leave --write-test out"
                )
            }
            try await buckets.delete(Self.bucket)
        } catch let error as KeyValueError where error.code == .bucketNotFound {
            return
        }
    }

    private func exercise(_ bucket: Bucket) async throws {
        let key: Key = "key"
        let first = try await bucket.create(key, [1])
        let second = try await bucket.put(key, [2], expected: first)
        var configuration = bucket.configuration
        configuration.history = 3
        _ = try await buckets.update(configuration)
        let revisions = try await bucket.history(key).map(\.revision)
        guard revisions == [first, second] else {
            throw ReplicationError(
                .notEqual,
                bucket: Self.bucket.rawValue,
                text: "it holds the revisions \(revisions) where \([first, second]) were written",
                hint: "look into the server's log"
            )
        }
    }
}
