import JetStream
import KVModel
import KeyValue

extension Restore {
    /// The bucket that a replay writes into, made if it is to be.
    func openTarget(_ prepared: Prepared) async throws -> Bucket {
        let plan = prepared.plan
        let isFenced = (options.isPartOfMigration || plan.action == .replace) && buckets.context.serverIsAtLeast(2, 10)
        let wanted = isFenced ? RestoreFence.fencedForReplay(plan.configuration, plan.bucket) : plan.configuration
        let marked = prepared.marker.mark(wanted, hasMetadata: hasMetadata)
        switch plan.action {
        case .create:
            return try await buckets.createEmpty(marked)
        case .replace, .restart:
            try await buckets.delete(plan.bucket)
            return try await buckets.createEmpty(marked)
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
}
