import KVModel
import KeyValue

extension Restore {
    /// Backs up and deletes the bucket that is to be replaced, if a backup is asked for; nil if nothing was deleted.
    ///
    /// What the server does not take is found out before.
    func makeRoomSafely(
        _ prepared: Prepared,
        _ safeguarded: (SafetyBackup) -> Void
    ) async throws -> SafetyBackup? {
        guard prepared.plan.action == .replace else { return nil }
        try await ReplacementTrial(buckets: buckets, name: prepared.plan.bucket)
            .run(prepared.plan.configuration, exactly: prepared.choice.isExact)
        guard let place = options.safetyBackup else { return nil }
        let replacement = SafeReplacement(
            buckets: buckets,
            name: prepared.plan.bucket,
            place: place,
            patience: options.patience ?? .seconds(3600),
            progress: progress
        )
        return try await replacement.run(safeguarded)
    }
}
