import JetStream
import KVModel
import KeyValue
import NATSClient

/// Keeps writers from a bucket that is still there: it listens on another subject, so that a put finds no responder.
///
/// Reads and watches go on.
struct BucketFence: Sendable {
    let bucket: BucketName
    let token: String

    /// It looks like a bucket's, so that the barrier gets to where puts get, another domain too.
    private var base: String { "$KV.cistern-fence-\(bucket.rawValue)-\(token)" }
    /// The only subject of a fenced bucket.
    var subject: String { base + ".>" }

    /// The configuration of the fenced bucket.
    func fenced(_ configuration: BucketConfiguration) -> BucketConfiguration {
        var fenced = configuration
        fenced.stream["subjects"] = [.string(subject)]
        return fenced
    }

    /// Whether a bucket is fenced by this.
    func isClosed(_ configuration: BucketConfiguration) -> Bool {
        configuration.stream["subjects"]?.array == [.string(subject)]
    }

    /// The last revision of the fenced bucket, asked for behind everything that was on its way.
    ///
    /// After the change of subjects servers still store what they had queued. A publish that cannot succeed comes
    /// behind all of that, and is refused with the last sequence.
    func finalRevision(_ context: JetStreamContext, patience: Duration) async throws -> Revision {
        let clock = ContinuousClock()
        let deadline = clock.now.advanced(by: patience)
        while true {
            do {
                let revision = try await context.lastSequence(behind: base + ".barrier")
                try await settle(context, at: revision, deadline)
                return revision
            } catch let error as JetStreamError where error.isTransient && clock.now < deadline {
                try await Task.sleep(for: .milliseconds(50))
            } catch let error as NATSError where error.code != .closed && clock.now < deadline {
                try await context.connection.waitUntilConnected(timeout: patience)
            }
        }
    }

    /// Waits until the stream's own account says the same: replicas lag a little.
    private func settle(
        _ context: JetStreamContext,
        at revision: Revision,
        _ deadline: ContinuousClock.Instant
    ) async throws {
        while try await context.streamInfo(bucket.streamName).state.lastSequence != revision {
            guard ContinuousClock().now < deadline else {
                throw ReplicationError(
                    .sourceDiverged,
                    bucket: bucket.rawValue,
                    text: "its last revision is not the one that the server named, \(revision)",
                    hint: "look into the servers' logs; --rollback gives the bucket its subjects back"
                )
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
