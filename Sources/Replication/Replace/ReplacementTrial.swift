import JetStream
import KVModel
import KeyValue

/// Makes a stream of the new configuration under another name and deletes it again: what the server does not take is
/// found before the bucket that is replaced is deleted.
///
/// The name is the same each time, so that the next run finds what a killed one has left.
struct ReplacementTrial {
    let buckets: Buckets
    /// The bucket that is to be replaced.
    let name: BucketName

    private var stream: String { "CISTERN_REPLACE_\(name.rawValue)" }
    /// The stream's only subject; nobody publishes there.
    private var subjects: JSONValue { [.string("cistern.replace.\(name.rawValue)")] }

    /// Throws `.targetRefuses` if the server does not take the configuration, or may not be asked to.
    func run(_ configuration: BucketConfiguration, exactly isExact: Bool) async throws {
        try await ServerProbe.checkMaking(name, exactly: isExact, buckets.context)
        var trial = configuration.stream
        trial["name"] = .string(stream)
        trial["subjects"] = subjects
        // These would bring messages of others, or send them on.
        for field in ["mirror", "sources", "republish", "subject_transform", "sealed"] { trial[field] = nil }
        try await remove(buckets)
        do {
            _ = try await buckets.context.createStream(trial)
            try await remove(buckets)
        } catch let error as JetStreamError where error.code == .insufficientResources {
            // There may be room once the old bucket is gone.
        } catch let error as JetStreamError where !error.isTransient {
            throw ReplicationError.refused(error, bucket: name, hint: "nothing was deleted; give other settings")
        } catch {
            await cleanUp()
            throw error
        }
    }

    /// Deletes what this run may have made, even when its task was cancelled and the connection closed with it.
    private func cleanUp() async {
        let trial = self
        // The failure itself is what has to be said. What cannot be deleted now the next run deletes.
        await Task.detached { try? await trial.buckets.onOpenConnection(trial.remove) }.value
    }

    /// Deletes the stream if there is one, and it is a trial of this bucket.
    @Sendable private func remove(_ buckets: Buckets) async throws {
        do {
            let found = try await buckets.context.streamInfo(stream).configuration["subjects"]
            guard found == subjects else {
                throw ReplicationError(
                    .targetExists,
                    bucket: name.rawValue,
                    text: "the stream \(stream) exists, and it is not Cistern's",
                    hint: "nothing was deleted; delete that stream, or rename it"
                )
            }
            try await buckets.context.deleteStream(stream)
        } catch let error as JetStreamError where error.code == .streamNotFound {
            // There is none.
        }
    }
}
