import Archive
import JetStream
import KVModel
import KeyValue
import NATSClient

/// One capture under way: reads, fills segments, commits them, looks for consistent revisions.
struct CaptureSession {
    private(set) var committer: SegmentCommitter
    private(set) var received = CaptureProgress()
    private let bucket: Bucket
    private let writer: ArchiveWriter
    private let incarnation: Incarnation
    private let options: Capture.Options
    private let progress: @Sendable (CaptureProgress) -> Void
    private let watch: Watch
    private let from: Revision
    private let clock = ContinuousClock()
    private let started: ContinuousClock.Instant
    private var builder: SegmentBuilder
    private var lastRevision: Revision
    private var state: StreamInfo.State
    private var consistent: (revision: Revision, time: Timestamp)?
    private var removals = 0
    private var configuration: String?

    init(
        bucket: Bucket,
        writer: ArchiveWriter,
        incarnation: Incarnation,
        checkpoint: Checkpoint?,
        options: Capture.Options,
        progress: @escaping @Sendable (CaptureProgress) -> Void
    ) async throws {
        self.bucket = bucket
        self.writer = writer
        self.incarnation = incarnation
        self.options = options
        self.progress = progress
        started = clock.now
        from = checkpoint?.resumeRevision ?? 0
        lastRevision = from
        state = bucket.info.state
        if let revision = checkpoint?.consistentRevision, let time = checkpoint?.consistentTime {
            consistent = (revision, time)
        }
        builder = SegmentBuilder(limits: .init(rawBytes: options.segmentBytes))
        committer = SegmentCommitter(writer: writer, incarnation: incarnation.id, committedRevision: from)
        var watchOptions = WatchOptions()
        watchOptions.start = .sequence(from + 1)
        watchOptions.patience = options.patience
        watchOptions.created = bucket.info.created
        watch = try await bucket.watch(watchOptions)
        received.pending = await watch.initiallyPending
        received.committedRevision = from
        received.consistentRevision = consistent?.revision
    }

    /// Reads until the end that the options ask for; whatever ends it, what was received is committed.
    mutating func run() async throws -> CaptureReport.Outcome {
        let outcome: CaptureReport.Outcome
        do {
            outcome = options.follows ? try await follow() : try await readOnce()
        } catch is CancellationError {
            outcome = .stopped
        } catch {
            await watch.stop()
            try await commit()
            throw Self.translated(error, bucket.name)
        }
        await watch.stop()
        try await commit()
        return outcome
    }

    func report(_ outcome: CaptureReport.Outcome, _ plan: CapturePlan) -> CaptureReport {
        CaptureReport(
            outcome: outcome,
            plan: plan,
            bucket: bucket.name,
            cluster: incarnation.cluster,
            created: incarnation.created,
            fromRevision: from,
            resumeRevision: committer.committedRevision,
            consistentRevision: consistent?.revision,
            entries: received.entries,
            bytes: received.bytes,
            segments: committer.segments,
            interruptions: received.interruptions,
            sourceMessages: state.messages,
            removals: removals,
            duration: started.duration(to: clock.now)
        )
    }

    private mutating func readOnce() async throws -> CaptureReport.Outcome {
        var probingSince: ContinuousClock.Instant?
        var isCaughtUp = received.pending == 0
        while true {
            if isCaughtUp {
                switch try await probe() {
                case .consistent: return .complete
                case .unreachable: probingSince = nil
                case .notYet:
                    let now = clock.now
                    let since = probingSince ?? now
                    probingSince = since
                    if since.duration(to: now) > options.probeLimit { return .noConsistentRevision }
                }
            }
            if let batch = try await watch.next(timeout: .milliseconds(250)) {
                try await take(batch)
                isCaughtUp = batch.isCaughtUp
            } else {
                isCaughtUp = true
            }
        }
    }

    private mutating func follow() async throws -> CaptureReport.Outcome {
        var nextCommit = clock.now.advanced(by: options.commitInterval)
        var isProbeDue = true
        while true {
            let now = clock.now
            let wait =
                isProbeDue || !builder.isEmpty ? max(.milliseconds(1), now.duration(to: nextCommit)) : .seconds(3600)
            let batch = try await watch.next(timeout: wait)
            if let batch {
                if builder.isEmpty { nextCommit = clock.now.advanced(by: options.commitInterval) }
                try await take(batch)
                isProbeDue = true
            }
            // Probing at every caught-up batch would cost a request for each write of a quiet bucket.
            if clock.now >= nextCommit {
                if isProbeDue, batch?.isCaughtUp ?? true { isProbeDue = try await probe() != .consistent }
                try await commit()
                nextCommit = clock.now.advanced(by: options.commitInterval)
            }
        }
    }

    private mutating func take(_ batch: WatchBatch) async throws {
        let before = builder.rawBytes
        let countBefore = builder.count
        try batch.forEachEntry { try builder.append($0) }
        lastRevision = max(lastRevision, batch.lastRevision)
        received.entries += UInt64(builder.count - countBefore)
        received.bytes += UInt64(builder.rawBytes - before)
        received.pending = batch.pending
        if builder.isFull { try await commit() }
        received.interruptions = await watch.restarts
        received.committedRevision = committer.committedRevision
        progress(received)
    }

    /// What a look at the bucket's end found.
    private enum Probe {
        /// The last revision received is the bucket's last.
        case consistent
        /// There is more.
        case notYet
        /// The server did not answer; reading goes on when it is back.
        case unreachable
    }

    /// Asks whether the last revision received is the bucket's last, and remembers it as consistent if so.
    private mutating func probe() async throws -> Probe {
        // With entries waiting the answer is known; and while they fill the watch's queue no reply could get through.
        guard await !watch.hasQueued else { return .notYet }
        do {
            return try await look()
        } catch let error as NATSError where [.timeout, .disconnected, .staleConnection].contains(error.code) {
            return .unreachable
        } catch let error as JetStreamError where error.isTransient {
            return .unreachable
        }
    }

    private mutating func look() async throws -> Probe {
        let stream = bucket.name.streamName
        let info = try await bucket.context.streamInfo(stream)
        guard info.created == incarnation.created else {
            throw JetStreamError(code: .streamRecreated, subject: stream, text: "created \(info.created)")
        }
        let last = info.state.lastSequence
        guard last >= lastRevision else {
            throw JetStreamError(code: .streamRegressed, subject: stream, text: "the last sequence is \(last)")
        }
        if last > lastRevision {
            // Either more is to come, or what came after was removed again: then nothing is left behind our last.
            let next = try await bucket.context.message(
                stream,
                from: lastRevision + 1,
                subject: bucket.subjectPrefix + ">"
            )
            guard next == nil else { return .notYet }
            lastRevision = last
        }
        state = info.state
        consistent = (last, info.serverTime ?? .wallClock())
        received.consistentRevision = last
        configuration = try info.configurationText
        return .consistent
    }

    private mutating func commit() async throws {
        let checkpoint = Checkpoint(
            resumeRevision: lastRevision,
            consistentRevision: consistent?.revision,
            consistentTime: consistent?.time,
            sourceState: Checkpoint.SourceState(
                messages: state.messages,
                bytes: state.bytes,
                firstSequence: state.firstSequence,
                lastSequence: state.lastSequence
            ),
            updated: .wallClock()
        )
        let isFinal = consistent?.revision == lastRevision
        let full = builder
        builder = SegmentBuilder(limits: .init(rawBytes: options.segmentBytes))
        try await committer.commit(full, checkpoint, waits: isFinal || !full.isFull)
        received.committedRevision = committer.committedRevision
        // Only after the commit: a configuration must never lie beyond what the archive holds.
        if let configuration, committer.committedRevision == lastRevision {
            try writer.recordConfiguration(
                incarnation.id,
                json: configuration,
                revision: lastRevision,
                time: .wallClock()
            )
            self.configuration = nil
        }
    }

    private static func translated(_ error: any Error, _ bucket: BucketName) -> any Error {
        guard let error = error as? JetStreamError else { return error }
        switch error.code {
        case .streamRecreated:
            return ReplicationError(
                .sourceRecreated,
                bucket: bucket.rawValue,
                text: "it was deleted and created again while it was captured (\(error.text))",
                hint: "the archive keeps what was captured; run the same command again to capture the new bucket"
            )
        case .streamRegressed, .streamNotFound:
            return ReplicationError(
                .sourceRegressed,
                bucket: bucket.rawValue,
                text: error.code == .streamNotFound ? "it was deleted while it was captured" : error.text,
                hint: "the archive keeps everything up to its last checkpoint"
            )
        default:
            return error
        }
    }
}
