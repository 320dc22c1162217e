import Foundation
import JetStream
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
        try await tryConfiguration(prepared.plan.configuration, prepared.plan.bucket)
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

    /// Makes a stream of the configuration under another name: what the server does not take is found before anything
    /// is deleted.
    private func tryConfiguration(_ configuration: BucketConfiguration, _ bucket: BucketName) async throws {
        let token = UUID().uuidString.prefix(8).lowercased()
        var trial = configuration.stream
        trial["name"] = .string("CISTERN_TRIAL_\(token)")
        trial["subjects"] = [.string("cistern.trial.\(token)")]
        // These would bring messages of others, or send them on.
        for field in ["mirror", "sources", "republish", "subject_transform", "sealed"] { trial[field] = nil }
        do {
            _ = try await buckets.context.createStream(trial)
        } catch let error as JetStreamError where error.code == .insufficientResources {
            // There may be room once the old bucket is gone.
            return
        } catch let error as JetStreamError where !error.isTransient {
            throw ReplicationError(
                .targetRefuses,
                bucket: bucket.rawValue,
                text: "the server does not take the new configuration: \(error.text)",
                hint: "nothing was deleted; give other settings"
            )
        }
        try await buckets.context.deleteStream("CISTERN_TRIAL_\(token)")
    }
}
