import Archive
import JetStream
import KVModel
import KeyValue
import NATSClient

/// One capture under way: reads, fills segments, commits them, looks for consistent revisions.
struct CaptureSession {
    private(set) var committer: SegmentCommitter
    private(set) var received = CaptureProgress()
    let bucket: Bucket
    let writer: ArchiveWriter
    let incarnation: Incarnation
    let options: Capture.Options
    private let progress: @Sendable (CaptureProgress) -> Void
    private var open: Watch?
    private let from: Revision
    private let clock = ContinuousClock()
    private let started: ContinuousClock.Instant
    var intake: CaptureIntake
    private var throttle: Throttle?
    private(set) var lastRevision: Revision
    private(set) var state: StreamInfo.State
    /// The gaps between the bucket's messages, where they came with the state.
    var listedGaps: [UInt64]?
    private var hasLooked = false
    /// A revision at which nothing was pending; what the bucket holds there may still differ from what is expected.
    private(set) var consistent: (revision: Revision, time: Timestamp)?
    /// The newest revision at which the archive holds the bucket exactly.
    private var proved: (revision: Revision, time: Timestamp)?
    private var configuration: String?
    private var interruptions = 0
    var removals = RemovalAccount()
    /// The newest point of this session at which the bucket's entries were counted.
    var counted: ConsistentPoint?

    init(
        bucket: Bucket,
        writer: ArchiveWriter,
        incarnation: Incarnation,
        checkpoint: Checkpoint?,
        options: Capture.Options,
        progress: @escaping @Sendable (CaptureProgress) -> Void
    ) {
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
            proved = (revision, time)
        }
        intake = CaptureIntake(segmentBytes: options.segmentBytes, isFirst: from == 0 && !options.follows)
        committer = SegmentCommitter(writer: writer, incarnation: incarnation.id, committedRevision: from)
        throttle = Throttle(bytesPerSecond: options.bytesPerSecond)
        received.committedRevision = from
        received.consistentRevision = proved?.revision
    }

    /// The watch that reads on behind what was received, opened when it is first asked for.
    private var watch: Watch {
        mutating get async throws {
            if let open { return open }
            var watchOptions = WatchOptions()
            if !incarnation.filter.isEmpty { watchOptions.patterns = incarnation.filter }
            watchOptions.start = .sequence(lastRevision + 1)
            watchOptions.patience = options.patience
            watchOptions.bytesPerSecond = options.bytesPerSecond
            watchOptions.created = bucket.info.created
            let opened = try await bucket.watch(watchOptions)
            open = opened
            return opened
        }
    }

    private mutating func close() async {
        guard let watch = open else { return }
        open = nil
        await watch.stop()
        interruptions += await watch.restarts
    }

    /// Does other reading while no watch is open: one that nobody reads fills up, and then holds up the connection.
    mutating func withoutWatch<Result>(_ work: () async throws -> Result) async throws -> Result {
        await close()
        return try await work()
    }

    /// Reads until the end that the options ask for; whatever ends it, what was received is committed.
    mutating func run() async throws -> CaptureReport.Outcome {
        let outcome: CaptureReport.Outcome
        do {
            try await readSnapshot()
            outcome = options.follows ? try await follow() : try await readOnce()
        } catch is CancellationError {
            outcome = .stopped
        } catch {
            await close()
            try await commit()
            throw Self.translated(error, bucket.name)
        }
        await close()
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
            filter: incarnation.filter,
            fromRevision: from,
            resumeRevision: committer.committedRevision,
            consistentRevision: proved?.revision,
            entries: received.entries,
            bytes: received.bytes,
            segments: committer.segments,
            interruptions: received.interruptions,
            sourceMessages: state.messages,
            removals: removals.found,
            isUnexplained: removals.isUnexplained,
            totals: removals.totals,
            state: removals.state,
            digest: intake.digest,
            duration: started.duration(to: clock.now)
        )
    }

    /// A bucket is not given up as too busy before it was looked at more often than this.
    private static let leastProbes = 10

    private mutating func readOnce() async throws -> CaptureReport.Outcome {
        var probingSince: ContinuousClock.Instant?
        var probes = 0
        // Where all that there was is here already, a look at the bucket's end may do without a watch.
        var isCaughtUp = hasReadBeginning
        if !isCaughtUp {
            received.pending = try await watch.initiallyPending
            isCaughtUp = received.pending == 0
        }
        var nextProbe = clock.now
        while true {
            if isCaughtUp {
                nextProbe = clock.now.advanced(by: .milliseconds(100))
                let found = try await probe()
                if found == .consistent {
                    let isAgreed = removals.difference == nil
                    if try await account() { return .complete }
                    // What was found to differ just now takes another consistent revision.
                    if isAgreed, removals.difference != nil { (probingSince, probes) = (nil, 0) }
                }
                if found == .unreachable {
                    (probingSince, probes) = (nil, 0)
                } else {
                    let now = clock.now
                    let since = probingSince ?? now
                    probingSince = since
                    probes += 1
                    // A process that was kept from running has not looked for that long.
                    if since.duration(to: now) > options.probeLimit, probes > Self.leastProbes {
                        return .noConsistentRevision
                    }
                }
                // What does not agree yet may do so at the same revision.
                if found == .consistent { continue }
            }
            if let batch = try await watch.next(timeout: .milliseconds(250)) {
                try await take(batch)
                isCaughtUp = batch.isCaughtUp || hasReadBeginning && clock.now >= nextProbe
            } else {
                isCaughtUp = true
            }
        }
    }

    /// Whether all is read that the bucket held when the capture began.
    ///
    /// What is pending is an estimate, and while entries come it may never be none: from then on the server itself is
    /// asked now and then.
    private var hasReadBeginning: Bool { lastRevision >= bucket.info.state.lastSequence }

    private mutating func follow() async throws -> CaptureReport.Outcome {
        var nextCommit = clock.now.advanced(by: options.commitInterval)
        var nextAccount = clock.now
        var isProbeDue = true
        received.pending = try await watch.initiallyPending
        while true {
            let now = clock.now
            let wait = isProbeDue || !intake.isEmpty ? now.duration(to: nextCommit) : now.duration(to: nextAccount)
            let batch = try await watch.next(timeout: max(.milliseconds(1), wait))
            if let batch {
                if intake.isEmpty { nextCommit = clock.now.advanced(by: options.commitInterval) }
                try await take(batch)
                isProbeDue = true
            }
            // Probing at every caught-up batch would cost a request for each write of a quiet bucket.
            guard clock.now >= nextCommit else { continue }
            let isAccountDue = clock.now >= nextAccount
            if isProbeDue || isAccountDue, batch.map({ $0.isCaughtUp || hasReadBeginning }) ?? true,
                try await probe() == .consistent
            {
                isProbeDue = false
                if isAccountDue, state != removals.source {
                    isProbeDue = try await !account()
                } else {
                    prove()
                }
                if isAccountDue, !isProbeDue { nextAccount = clock.now.advanced(by: options.accountInterval) }
            }
            try await commit()
            nextCommit = clock.now.advanced(by: options.commitInterval)
        }
    }

    /// The consistent revision just found is one at which the archive holds the bucket exactly.
    mutating func prove() {
        proved = consistent
        // The first proof is told in any case: of a bucket that nobody writes it is the only sign that all is well.
        guard !received.isProved || received.consistentRevision != consistent?.revision else { return }
        received.isProved = true
        received.consistentRevision = consistent?.revision
        progress(received)
    }

    /// What was proved since the entries were last counted was not exact.
    mutating func disprove() {
        guard let revision = proved?.revision, let counted, revision > counted.revision else { return }
        proved = nil
    }

    private mutating func take(_ batch: WatchBatch) async throws {
        let before = intake.bytes
        try batch.forEachEntry { try intake.append($0) }
        try await arrive(at: batch.lastRevision, pending: batch.pending)
        try await throttle?.pass(Int(intake.bytes - before))
    }

    /// All that there is up to a revision was received: commits what is full, and says how far it is.
    mutating func arrive(at revision: Revision, pending: UInt64) async throws {
        lastRevision = max(lastRevision, revision)
        try await commitFull()
        (received.entries, received.bytes, received.pending) = (intake.entries, intake.bytes, pending)
        received.interruptions = interruptions + (await open?.restarts ?? 0)
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
        if let open, await open.hasQueued { return .notYet }
        do {
            return try await look()
        } catch let error as NATSError where [.timeout, .disconnected, .staleConnection].contains(error.code) {
            return .unreachable
        } catch let error as JetStreamError where error.isTransient {
            return .unreachable
        }
    }

    /// What the server says of the bucket; the first time, where they are few, with its gaps, which are looked at next.
    ///
    /// What was received is committed meanwhile: over a long link the answer takes as long.
    private mutating func ask() async throws -> (info: StreamInfo, gaps: [UInt64]?) {
        let (context, stream) = (bucket.context, bucket.name.streamName)
        guard !hasLooked, !options.follows else { return (try await context.streamInfo(stream), nil) }
        hasLooked = true
        let listsGaps = bucket.info.state.gaps <= options.mostListedGaps
        async let answer = listsGaps ? context.streamGaps(stream) : (context.streamInfo(stream), [])
        try await commit()
        let (info, gaps) = try await answer
        return (info, listsGaps ? gaps : nil)
    }

    private mutating func look() async throws -> Probe {
        let stream = bucket.name.streamName
        let (info, gaps) = try await ask()
        guard info.created == incarnation.created else {
            throw JetStreamError(code: .streamRecreated, subject: stream, text: "created \(info.created)")
        }
        let last = info.state.lastSequence
        guard last >= lastRevision else {
            throw JetStreamError(code: .streamRegressed, subject: stream, text: "the last sequence is \(last)")
        }
        if last > lastRevision {
            // Either more is to come, or what came after was removed again: then nothing is left behind our last.
            guard try await bucket.holdsNothing(of: incarnation.filter, after: lastRevision) else { return .notYet }
            lastRevision = last
        }
        state = info.state
        listedGaps = gaps
        consistent = (last, info.serverTime ?? .wallClock())
        if options.recordsConfiguration { configuration = try info.configurationText }
        return .consistent
    }

    /// Commits all that was received.
    mutating func commit() async throws {
        try await commitFull()
        try await commit(intake.rest(), through: lastRevision, waits: true)
        received.committedRevision = committer.committedRevision
        // Only after the commit: a configuration must never lie beyond what the archive holds.
        if let configuration, let consistent, committer.committedRevision == lastRevision {
            try writer.recordConfiguration(
                incarnation.id,
                json: configuration,
                revision: lastRevision,
                time: consistent.time
            )
            self.configuration = nil
        }
    }

    /// Brings what was committed from the archive's log into its file while other work is done.
    mutating func shortenLog() async throws {
        try await committer.shortenLog()
    }

    private mutating func commitFull() async throws {
        while let segment = intake.nextFull() {
            try await commit(segment, through: segment.lastRevision ?? lastRevision, waits: false)
        }
    }

    private mutating func commit(_ segment: SegmentBuilder, through revision: Revision, waits: Bool) async throws {
        let checkpoint = Checkpoint(
            resumeRevision: revision,
            consistentRevision: proved?.revision,
            consistentTime: proved?.time,
            sourceState: Checkpoint.SourceState(
                messages: state.messages,
                bytes: state.bytes,
                firstSequence: state.firstSequence,
                lastSequence: state.lastSequence
            ),
            updated: .wallClock()
        )
        try await committer.commit(segment, checkpoint, waits: waits)
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
