import JetStream
import KVModel
import KeyValue

extension Buckets {
    /// Gives a bucket another configuration, as soon as the cluster has its copies where the one before says.
    ///
    /// A bucket whose configuration is changed while the cluster moves it to other servers may be lost: on 2.10.26 no
    /// server led it any more.
    func updateWhenPlaced(
        _ configuration: BucketConfiguration,
        _ name: BucketName,
        patience: Duration
    ) async throws {
        _ = try await placedBucket(name, patience: patience)
        _ = try await update(configuration)
    }

    /// Opens a bucket, as soon as the cluster has its copies where its configuration says.
    ///
    /// Throws `.targetBusy` if that takes longer than `patience`.
    func placedBucket(_ name: BucketName, patience: Duration) async throws -> Bucket {
        let clock = ContinuousClock()
        let deadline = clock.now.advanced(by: patience)
        while true {
            let bucket = try await bucket(name)
            guard bucket.info.isBeingMoved else { return bucket }
            guard clock.now < deadline else {
                throw ReplicationError(
                    .targetBusy,
                    bucket: name.rawValue,
                    text: "the cluster is moving it to other servers, or has no leader for it",
                    hint: "wait until it is in its place, then run the same command again"
                )
            }
            try await Task.sleep(for: .milliseconds(100))
        }
    }
}

extension StreamInfo {
    /// Whether a cluster says that the stream has no leader, or more copies than it should have.
    var isBeingMoved: Bool {
        guard let cluster = reply["cluster"], cluster["raft_group"] != nil || cluster["replicas"] != nil else {
            return false
        }
        guard cluster["leader"]?.string?.isEmpty == false else { return true }
        let wanted = configuration["num_replicas"]?.integer ?? 1
        return 1 + (cluster["replicas"]?.array?.count ?? 0) > max(1, wanted)
    }
}
