import JetStream
import KVModel
import KeyValue

extension Restore {
    /// For how long a server may take to remove the files of deleted buckets.
    private static let removalPatience = Duration.seconds(10)

    /// The bucket that a replay writes into, made if it is to be.
    func openTarget(_ prepared: Prepared) async throws -> Bucket {
        let plan = prepared.plan
        let isFenced = (options.isPartOfMigration || plan.action == .replace) && buckets.context.serverIsAtLeast(2, 10)
        let wanted = isFenced ? RestoreFence.fencedForReplay(plan.configuration, plan.bucket) : plan.configuration
        let marked = prepared.marker.mark(wanted, hasMetadata: hasMetadata)
        switch plan.action {
        case .create:
            return try await makeEmpty(marked)
        case .replace, .restart:
            try await buckets.delete(plan.bucket)
            return try await makeEmpty(marked)
        case .resume:
            return try await buckets.bucket(plan.bucket)
        case .merge:
            return try await buckets.bucket(plan.bucket)
        case .fill:
            let found = try await buckets.bucket(plan.bucket)
            guard found.info.state.messages == 0 else {
                throw ReplicationError(
                    .targetExists,
                    bucket: plan.bucket.rawValue,
                    text: "it was empty and now holds \(found.info.state.messages) entries",
                    hint: "somebody writes to it: choose another name with --as"
                )
            }
            return try await buckets.update(prepared.marker.mark(plan.configuration, hasMetadata: hasMetadata))
        }
    }

    /// Makes a bucket that holds nothing.
    ///
    /// A server that deletes a stream twice before it has removed the files of the first time leaves those of the
    /// second where they are, and the next stream of the name begins with them (seen on 2.10 to 2.15). The marker in the
    /// configuration says that what was made is this restore's own: it is deleted until it comes empty.
    private func makeEmpty(_ configuration: BucketConfiguration) async throws -> Bucket {
        let deadline = ContinuousClock.now + Self.removalPatience
        while true {
            let bucket = try await buckets.create(configuration)
            guard Self.holdsDeleted(bucket.info) else { return bucket }
            try await buckets.delete(bucket.name)
            guard ContinuousClock.now < deadline else {
                throw ReplicationError(
                    .targetBusy,
                    bucket: bucket.name.rawValue,
                    text: "the server has not removed \(bucket.info.state.messages) entries of the deleted bucket of "
                        + "this name, and gives them to a new one",
                    hint: "the bucket was not made; restart the server, which removes them, and run the same again"
                )
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Whether a stream that was just made begins with a message from before.
    private static func holdsDeleted(_ info: StreamInfo) -> Bool {
        guard info.state.messages > 0, let created = Timestamp(rfc3339: info.created),
            let first = info.reply["state"]?["first_ts"]?.string.flatMap({ Timestamp(rfc3339: $0) })
        else { return false }
        return first < created
    }
}
