import Archive
import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient
import StreamSnapshot

/// Has the server make the target out of a snapshot that is written from the archive as it goes.
///
/// A restore that breaks off leaves nothing, or a fenced and marked stream which is deleted at once, or, if this process
/// is killed, by the next run. Nothing else is ever deleted. It cannot be resumed: a lost connection begins it anew.
struct ExactRestore {
    /// What was written.
    private(set) var totals = SnapshotTotals()
    /// How often it had to begin anew.
    private(set) var interruptions = 0

    let buckets: Buckets
    let prepared: Restore.Prepared
    let options: RestoreOptions
    let progress: @Sendable (RestoreProgress) -> Void

    /// More broken attempts than these mean that the next would break as well.
    static let attemptLimit = 8
    /// Servers give a restore up when nothing came for 5 seconds: only then the next may begin.
    static let serverPatience = Duration.seconds(6)

    init(
        _ buckets: Buckets,
        _ prepared: Restore.Prepared,
        options: RestoreOptions,
        progress: @escaping @Sendable (RestoreProgress) -> Void
    ) {
        self.buckets = buckets
        self.prepared = prepared
        self.options = options
        self.progress = progress
    }

    var context: JetStreamContext { buckets.context }
    var name: BucketName { prepared.plan.bucket }

    /// Restores; the bucket is whole then, and still fenced and marked.
    mutating func run() async throws -> Bucket {
        while true {
            do {
                try await context.connection.waitUntilConnected(timeout: options.patience ?? .seconds(3600))
                try await makeRoom(isFirst: interruptions == 0)
                return try await attempt()
            } catch  where mayPass(error) {
                interruptions += 1
                guard interruptions < Self.attemptLimit else {
                    await cleanUp()
                    throw error
                }
                report(0)
            } catch {
                await cleanUp()
                throw error
            }
            do {
                try await Task.sleep(for: Self.serverPatience)
            } catch {
                await cleanUp()
                throw error
            }
        }
    }

    /// Deletes what was asked to be replaced, and what an earlier attempt or run has left of the same restore.
    private func makeRoom(isFirst: Bool) async throws {
        if prepared.choice.way == .promotedMirror {
            try await removeOurs(RestoreFence.stagingName(of: name), refusesOthers: true)
        }
        if isFirst, prepared.plan.action == .replace {
            do {
                try await buckets.delete(name)
            } catch let error as KeyValueError where error.code == .bucketNotFound {
                // Somebody else was quicker.
            }
        }
        try await removeOurs(name.streamName, refusesOthers: true, isAttempted: !isFirst)
    }

    /// Deletes what an exact restore that was killed has left beside the target.
    func removeStaging() async throws {
        try await removeOurs(RestoreFence.stagingName(of: name), refusesOthers: false)
    }

    /// Deletes a stream if it is this very restore's, unfinished.
    ///
    /// In a cluster a restore that was broken off may leave no more than a name: the stream's info does not know it, but
    /// the name is taken until it is deleted.
    private func removeOurs(_ stream: String, refusesOthers: Bool, isAttempted: Bool = false) async throws {
        let info: StreamInfo
        do {
            info = try await context.streamInfo(stream)
        } catch let error as JetStreamError where error.code == .streamNotFound {
            guard isAttempted || stream == RestoreFence.stagingName(of: name) else { return }
            do {
                try await context.deleteStream(stream)
            } catch let error as JetStreamError where error.code == .streamNotFound {
                // Not even the name is left.
            }
            return
        }
        let configuration = BucketConfiguration(stream: info.configuration)
        guard RestoreMarker(configuration) == prepared.marker, RestoreFence.isFenced(configuration, name) else {
            guard refusesOthers else { return }
            throw ReplicationError(
                .targetExists,
                bucket: name.rawValue,
                text: "the stream \(stream) exists, and it is not this restore's",
                hint: "choose another name with --as, or delete that stream"
            )
        }
        try await context.deleteStream(stream)
    }

    /// Deletes what this run has made, even when its task was cancelled and the connection closed with it.
    private func cleanUp() async {
        let restore = self
        await Task.detached {
            // The failure itself is what has to be said. What cannot be deleted stays fenced and marked, and the next run
            // deletes it.
            try? await restore.buckets.onOpenConnection { buckets in
                let restore = ExactRestore(
                    buckets,
                    restore.prepared,
                    options: restore.options,
                    progress: restore.progress
                )
                try await restore.removeLeftovers()
            }
        }.value
    }

    private func removeLeftovers() async throws {
        for stream in [name.streamName, RestoreFence.stagingName(of: name)] {
            try await removeOurs(stream, refusesOthers: false)
        }
    }

    private mutating func attempt() async throws -> Bucket {
        let marked = prepared.marker.mark(prepared.plan.configuration, hasMetadata: context.serverIsAtLeast(2, 10))
        let fenced = RestoreFence.fenced(marked, name)
        let form: SnapshotWriter.Form
        switch prepared.choice.way {
        case .messageBlocks(let fillsGaps): form = .messageBlocks(fillsGaps ? .filled : .left)
        case .entries: form = .entries
        case .promotedMirror:
            try await promoteMirror(fenced)
            return try await buckets.bucket(name)
        case .replay: return try await buckets.bucket(name)
        }
        // It is in nobody's way: nothing has to wait for it.
        async let leftovers: Void = removeStaging()
        let info = try await upload(fenced.stream, form)
        try await leftovers
        try check(info.state, "the server restored")
        // In a cluster the servers that are to have copies are known a little later.
        return context.clusterName == nil ? buckets.bucket(told: info) : try await buckets.bucket(name)
    }

    /// Writes the snapshot and sends it as it is written.
    mutating func upload(
        _ configuration: JSONValue,
        _ form: SnapshotWriter.Form,
        lastSubject: String? = nil
    ) async throws -> StreamInfo {
        let description = SnapshotDescription(
            configuration: configuration,
            created: prepared.created,
            lastSequence: prepared.revision,
            messages: prepared.census.entries
        )
        var throttle = Throttle(bytesPerSecond: options.bytesPerSecond)
        let producer = SnapshotProducer(
            SnapshotProducer.Order(
                state: prepared.state,
                selection: prepared.selection,
                description: description,
                form: form,
                subjectPrefix: name.subjectPrefix,
                mapping: options.mapping,
                lastSubject: lastSubject,
                // Chunks must not come so rarely that the server gives up.
                chunkBytes: min(StreamRestore.chunkBytes, context.maximumPayload, throttle?.portion ?? .max)
            )
        )
        producer.start()
        defer { producer.stop() }
        let restore = try await context.restoreStream(configuration)
        do {
            for try await chunk in producer.chunks {
                try await restore.send(chunk.bytes)
                producer.took()
                report(chunk.entries)
                try await throttle?.pass(chunk.bytes.count)
            }
            // A cancelled task sees the chunks end.
            try Task.checkCancellation()
            totals = producer.totals
            // At least 4 MiB in a second.
            let seconds = 60 + Int(clamping: await restore.sentBytes >> 22)
            return try await restore.finish(timeout: .seconds(seconds))
        } catch {
            await restore.abandon()
            throw Self.named(error, name)
        }
    }

    /// Holds what the server says that it has against what was sent.
    func check(_ state: StreamInfo.State, _ what: String) throws {
        let outcome = ExactOutcome(sent: totals.messages, first: totals.firstMessage, end: prepared.revision)
        if outcome.isWhole(state, alive: totals.messages) { return }
        // Entries may have expired since they were sent.
        let soon = prepared.selection.asOf(Timestamp.wallClock().adding(nanoseconds: 2_000_000_000))
        let census = try RestoreCensus(
            prepared.state,
            soon,
            target: TargetSubject(prefix: name.subjectPrefix, mapping: options.mapping),
            end: prepared.revision
        )
        if outcome.isWhole(state, alive: census.entries) { return }
        throw outcome.failure(state, what, name)
    }

    func report(_ entries: UInt64) {
        progress(
            RestoreProgress(
                phase: .writing,
                entries: entries,
                total: prepared.census.entries,
                interruptions: interruptions
            )
        )
    }

    private static func named(_ error: any Error, _ bucket: BucketName) -> any Error {
        guard let error = error as? StreamSnapshotError else { return error }
        return ReplicationError(
            .targetRefuses,
            bucket: bucket.rawValue,
            text: "\(error.place): \(error.text)",
            hint: error.hint
        )
    }

    /// Whether beginning anew may help.
    private func mayPass(_ error: any Error) -> Bool {
        // A cluster may still hold the broken attempt's name.
        error.mayPass
            || (error as? JetStreamError)?.code == .streamExists
                && (interruptions > 0 || options.isPartOfMigration)
    }
}
