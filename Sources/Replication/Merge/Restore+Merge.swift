import KVModel
import KeyValue

extension Restore {
    /// What a merge that was prepared would do, key by key; the bucket is read, nothing is written.
    ///
    /// Nil if what was prepared is no merge.
    public func mergePreview(_ prepared: Prepared) async throws -> MergeReport? {
        guard prepared.plan.action == .merge else { return nil }
        let bucket = try await buckets.bucket(prepared.plan.bucket)
        var writer = try MergeWriter(bucket, prepared, options: options, progress: progress)
        return try await writer.preview()
    }

    /// Merges what was prepared into the bucket that exists.
    func merge(_ prepared: Prepared, since started: ContinuousClock.Instant) async throws -> RestoreReport {
        let bucket = try await buckets.bucket(prepared.plan.bucket)
        var writer = try MergeWriter(bucket, prepared, options: options, progress: progress)
        let merged = try await writer.run()
        var comparison: ComparisonReport?
        if options.verifies {
            let found = try await writer.verify()
            comparison = found
            guard found.isEqual else {
                throw ReplicationError(
                    .notEqual,
                    bucket: bucket.name.rawValue,
                    text: "what was merged differs from the archive: \(found.summary)",
                    hint: "run it again: what is the same on both sides is left alone"
                )
            }
        }
        return RestoreReport(
            plan: prepared.plan,
            mode: prepared.mode,
            modeReason: prepared.modeReason,
            incarnation: prepared.incarnation,
            revision: prepared.revision,
            entries: merged.keys,
            written: merged.written + merged.deleted,
            resumed: 0,
            expired: merged.expired,
            beyondHistory: 0,
            interruptions: writer.interruptions,
            merge: merged,
            comparison: comparison,
            duration: started.duration(to: ContinuousClock().now)
        )
    }
}
