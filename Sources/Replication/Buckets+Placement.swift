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

extension Buckets {
    /// Waits until the servers of a cluster hold all copies of a bucket that was just restored.
    ///
    /// The server that a snapshot is sent to answers when it has it; the others fetch it behind that answer, and until they
    /// have it the loss of the one is the loss of entries (seen on 2.11: with 40 MB and a busy machine 7 s). It is waited
    /// for as long as they come nearer. A server that is away, or does not come nearer for `patience`, is left to itself if
    /// most have all; otherwise `.targetBusy` is thrown.
    func waitForCopies(of bucket: Bucket, patience: Duration = .seconds(10)) async throws {
        guard CopyState(bucket.info) != nil else { return }
        let name = bucket.name
        let clock = ContinuousClock()
        var deadline = clock.now.advanced(by: patience)
        var before: CopyState?
        var wholeSince: ContinuousClock.Instant?
        while true {
            let state: CopyState?
            do {
                state = CopyState(try await self.bucket(name).info)
            } catch  where error.isTransient && clock.now < deadline {
                state = before
            }
            guard let state else { return }
            if state != before { deadline = clock.now.advanced(by: patience) }
            before = state
            if state.isComplete || state.isSafe && state.missing == state.away {
                // Before the others have heard of the snapshot, they count as whole for a moment.
                let since = wholeSince ?? clock.now
                wholeSince = since
                if since.duration(to: clock.now) >= .milliseconds(500) { return }
            } else {
                wholeSince = nil
            }
            if clock.now >= deadline {
                guard !state.isSafe else { return }
                throw ReplicationError(
                    .targetBusy,
                    bucket: name.rawValue,
                    text: "only \(state.complete) of \(state.wanted) servers hold it whole",
                    hint: "see why the others do not fetch it, then run the same command again"
                )
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}

/// How many servers of a cluster hold a stream whole, and how far the others are.
struct CopyState: Hashable, Sendable {
    /// On how many servers it should be.
    let wanted: Int
    /// On how many it is, its leader among them.
    let complete: Int
    /// How many of the others cannot be reached.
    let away: Int
    /// How many messages the others lack in all, as the leader reckons.
    let lag: UInt64

    /// Nil for a stream that is kept on one server, or on a server without a cluster.
    init?(_ info: StreamInfo) {
        wanted = Int(clamping: info.configuration["num_replicas"]?.integer ?? 1)
        guard wanted > 1, let cluster = info.reply["cluster"] else { return nil }
        let others = cluster["replicas"]?.array ?? []
        let current = others.filter { $0["current"]?.bool == true && $0["lag"]?.unsigned ?? 0 == 0 }
        complete = current.count + (cluster["leader"]?.string?.isEmpty == false ? 1 : 0)
        away = others.count { $0["offline"]?.bool == true }
        lag = others.reduce(0) { $0 &+ ($1["lag"]?.unsigned ?? 0) }
    }

    /// On how many servers it is not whole.
    var missing: Int { wanted - complete }
    /// Whether all servers hold it.
    var isComplete: Bool { complete >= wanted }
    /// Whether most do: then it survives the loss of one of them.
    var isSafe: Bool { complete > wanted / 2 && complete > 1 }
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
