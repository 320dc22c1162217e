import JetStream
public import KVModel

extension Bucket {
    /// Shows every entry that the bucket holds up to a revision, in order and in batches, without waiting for more.
    ///
    /// What a consumer has pending is an estimate: in a cluster it may sit where entries are still to come, and what was
    /// not read because of it would pass for missing. Reading ends where the server holds nothing more; if it holds what
    /// it does not send, `KeyValueError.stalled` is thrown after `patience`.
    public func read(
        _ options: WatchOptions,
        through last: Revision,
        patience: Duration = .seconds(30),
        _ body: (WatchBatch) async throws -> Void
    ) async throws {
        let watch = try await watch(options)
        do {
            try await read(watch, options.patterns, through: last, patience, body)
        } catch {
            await watch.stop()
            throw error
        }
        await watch.stop()
    }

    private func read(
        _ watch: Watch,
        _ patterns: [KeyPattern],
        through last: Revision,
        _ patience: Duration,
        _ body: (WatchBatch) async throws -> Void
    ) async throws {
        var revision: Revision = 0
        var isCaughtUp = await watch.initiallyPending == 0
        var deadline = ContinuousClock.now + patience
        while revision < last {
            do {
                // What has arrived is read first: the answer comes behind it, and not at all while the reader is full.
                if isCaughtUp, await !watch.hasQueued, try await isEnd(patterns, after: revision, through: last) {
                    return
                }
            } catch  where error.isTransient && ContinuousClock.now < deadline {
                // A server that was just given much answers late; a cluster may be without a leader.
            }
            // What was there a moment ago may expire before it is sent: then the end is nearer than it was.
            guard let batch = try await watch.next(timeout: .seconds(1)) else {
                guard ContinuousClock.now < deadline else {
                    throw KeyValueError(code: .stalled, bucket: name, text: "\(revision)")
                }
                isCaughtUp = true
                continue
            }
            try await body(batch)
            revision = max(revision, batch.lastRevision)
            isCaughtUp = batch.isCaughtUp
            deadline = .now + patience
        }
    }

    /// Whether the bucket holds nothing of these patterns after a revision, up to another one.
    private func isEnd(_ patterns: [KeyPattern], after revision: Revision, through last: Revision) async throws -> Bool
    {
        for pattern in patterns {
            let next = try await context.message(
                name.streamName,
                from: revision + 1,
                subject: subjectPrefix + pattern.description
            )
            if let next, next.sequence <= last { return false }
        }
        return true
    }
}
