import JetStream
import KVModel
import KeyValue
import NATSClient

/// One run of a mirror between two buckets that stay the same: reads, writes, keeps the record.
///
/// All that happens comes through the inbox to the one task that owns the session; what may take time (reading, looking
/// up, keeping the record) is done by tasks beside it. So nothing waits for anything but room.
struct MirrorSession {
    /// Writes that may be unanswered: servers from 2.11 on refuse some when about 10,000 wait.
    static let writesInFlight = 4096
    static let bytesInFlight = 8 << 20
    static let looksInFlight = 64
    /// What may be read and not written.
    private static let windowBytes = 24 << 20
    /// How long a write may go without an answer before its key is looked up.
    static let answerPatience = Duration.seconds(4)
    static let recordInterval = Duration.seconds(1)

    let source: Bucket
    let target: Bucket
    let options: MirrorOptions
    let identity: ReplayIdentity
    let inbox = MirrorInbox(limit: windowBytes)
    var window: MirrorWindow<WatchBatch>
    var report: MirrorReport
    var state = MirrorProgress()
    /// Whether the target is as the run before left it, or newer.
    let isContinued: Bool
    var keeper: MirrorKeeper
    let selection: MirrorSelection
    private let progress: @Sendable (MirrorProgress) -> Void
    let publisher: NumberedPublisher
    var encoder: MirrorEncoder
    var collisions: KeyMapping.CollisionSearch?
    let clock = ContinuousClock()

    struct Sent {
        let write: MirrorWindow<WatchBatch>.Write
        let bytes: Int
        let epoch: Int
        let time: ContinuousClock.Instant
    }
    var sent: [UInt64: Sent] = [:]
    var sentBytes = 0
    var numbers: UInt64 = 0
    var looks = 0
    var epoch = 0
    var pending: UInt64?
    var lastRead: (revision: Revision, time: Timestamp)?
    var readBefore: Revision = 0
    var lastAcknowledged: UInt64
    var foreign: Set<UInt64> = []
    var trouble: (since: ContinuousClock.Instant, cause: any Error)?
    var arrival: MirrorArrival
    /// When what was put off may be tried again, and how long after that.
    var nextTry: ContinuousClock.Instant
    var nextWait = Duration.milliseconds(50)
    var nextRecord: ContinuousClock.Instant
    private var nextReport: ContinuousClock.Instant
    var readerRestarts = 0
    /// What of the window's counts is in the report.
    var counted: (skipped: UInt64, expired: UInt64, superseded: UInt64) = (0, 0, 0)

    init(
        _ opening: MirrorOpening,
        options: MirrorOptions,
        report: MirrorReport,
        progress: @escaping @Sendable (MirrorProgress) -> Void
    ) async throws {
        source = opening.source
        target = opening.target
        self.options = options
        self.progress = progress
        self.report = report
        keeper = opening.keeper
        isContinued = opening.plan.isContinued
        let record = keeper.record
        identity = record.identity
        let history = target.configuration.history
        window = MirrorWindow(
            after: record.resumeRevision,
            history: history > 0 && !options.preservesRevisions ? Int(clamping: history) : nil
        )
        lastAcknowledged = record.targetSequence
        selection = MirrorSelection(
            targetIdentity: ReplayIdentity(
                cluster: target.clusterName,
                bucket: target.name,
                created: target.info.created
            ).number,
            deletes: options.deletes
        )
        encoder = MirrorEncoder(target, from: source, identity: identity, options: options)
        publisher = try await NumberedPublisher(target.context)
        arrival = MirrorArrival(at: clock.now)
        nextTry = clock.now
        nextRecord = clock.now
        nextReport = clock.now
        state.resumeRevision = record.resumeRevision
        state.foreignChanges = report.foreignChanges
        state.entries = report.written
        state.bytes = report.bytes
        state.interruptions = report.interruptions
    }

    // MARK: Running

    /// Mirrors until it has caught up, if that is all, or until cancelled; what it did is in `report` whatever happens.
    mutating func run() async throws -> MirrorReport.Outcome {
        let result = await withDiscardingTaskGroup { group -> Result<MirrorReport.Outcome, any Error> in
            let result: Result<MirrorReport.Outcome, any Error>
            do {
                try await self.look()
                self.begin(&group)
                result = .success(try await self.loop(&group))
            } catch {
                result = .failure(error)
            }
            await self.publisher.stop()
            group.cancelAll()
            return result
        }
        fillReport()
        do {
            let outcome = try result.get()
            try await keep()
            return outcome
        } catch  where error is CancellationError || Task.isCancelled {
            // Connections end with the task that has opened them, so that other errors may come of it as well.
            await keepWhenStopped()
            return .stopped
        } catch {
            guard !error.isOvertaken else { throw error }
            await keepWhenStopped()
            throw MirrorFailure.translated(error, source: source)
        }
    }

    /// What it did.
    func report(_ outcome: MirrorReport.Outcome) -> MirrorReport {
        var report = report
        report.outcome = outcome
        return report
    }

    private func begin(_ group: inout DiscardingTaskGroup) {
        let (source, target, options, inbox, publisher) = (source, target, options, inbox, publisher)
        let revision = window.lastRevision
        group.addTask { await MirrorReading.follow(source, after: revision, options, into: inbox) }
        group.addTask { await MirrorReading.answers(to: publisher, into: inbox) }
        group.addTask { await MirrorReading.ticks(into: inbox) }
        group.addTask {
            await MirrorReading.watchOver(source, into: inbox, { .source($0) }, gone: MirrorFailure.gone(source))
        }
        group.addTask {
            await MirrorReading.watchOver(
                target,
                into: inbox,
                { .target($0) },
                gone: MirrorFailure.targetChanged(target, "it was deleted")
            )
        }
    }

    private mutating func loop(_ group: inout DiscardingTaskGroup) async throws -> MirrorReport.Outcome {
        epoch = target.context.connection.epoch
        while true {
            for event in try await inbox.take() { try handle(event) }
            try await pump(&group)
            if let outcome = try await arrive() { return outcome }
            keepIfDue(&group)
            tell()
        }
    }

    /// Whether the target has what the source held when the run began, and nearly all that came since.
    ///
    /// While a source is written to all the time there may be no moment at which nothing is under way.
    private var isAbreast: Bool {
        window.resumeRevision >= source.info.state.lastSequence && (pending ?? .max) < 1000 && window.count < 1000
    }

    private mutating func becomeLive() {
        guard state.phase == .syncing else { return }
        state.phase = .live
        nextReport = clock.now
        if window.heads.hasForgotten { window.presumesAbsent = false }
    }

    /// Does what is to be done when caught up, or nearly so; answers how the run ends, if it does.
    private mutating func arrive() async throws -> MirrorReport.Outcome? {
        let standing = MirrorArrival.Standing(
            pending: pending,
            isWindowEmpty: window.isEmpty,
            isAbreast: isAbreast,
            takesEstimate: options.follows && !keeper.record.isResyncing,
            isTroubled: trouble != nil
        )
        let step = arrival.step(standing, at: clock.now)
        if standing.isAbreast { becomeLive() }
        switch step {
        case .goOn: return nil
        case .giveUp: return options.follows ? nil : .notCaughtUp
        case .ask: guard try await isSaidToBeEnd() else { return nil }
        case .arrived: break
        }
        if keeper.record.isResyncing { try await sweep() }
        becomeLive()
        return options.follows ? nil : .caughtUp
    }

    private mutating func sweep() async throws {
        var sweep = MirrorSweep(target, identity: identity, options: options)
        try await sweep.run()
        report.removed += sweep.removed
        // What was removed is known no more as it was.
        window.heads = KnownHeads()
        window.presumesAbsent = false
        keeper.record.isResyncing = false
        try await keep()
    }

    /// Asks the source whether this is its end; no answer is none.
    private mutating func isSaidToBeEnd() async throws -> Bool {
        do {
            guard try await isEnd() else {
                arrival.sawMore(at: clock.now)
                return false
            }
        } catch  where error.mayPass {
            arrival.hadNoAnswer()
            return false
        }
        pending = 0
        return true
    }

    /// Whether the source holds nothing that was not read.
    ///
    /// What is pending is an estimate: the source itself must say, after all was read, that there is no more.
    private func isEnd() async throws -> Bool {
        try await Self.isEnd(of: source, after: window.lastRevision, options.filter)
    }

    /// Whether a source that is still the same holds nothing of these keys behind the last revision that was read.
    static func isEnd(of source: Bucket, after read: Revision, _ filter: [KeyPattern]) async throws -> Bool {
        let info = try await source.context.streamInfo(source.name.streamName)
        // What became of another one, or of one that lost entries, is said by who watches over the source.
        guard info.created == source.info.created, info.state.lastSequence >= read else { return false }
        guard info.state.lastSequence > read else { return true }
        return try await source.holdsNothing(of: filter, after: read)
    }

    private mutating func tell() {
        let now = clock.now
        guard now >= nextReport else { return }
        nextReport = now.advanced(by: .milliseconds(200))
        state.entries = report.written
        state.bytes = report.bytes
        state.interruptions = report.interruptions
        state.foreignChanges = report.foreignChanges
        state.lagEntries = (pending ?? 0).addingClamped(UInt64(window.count))
        state.lagTime = .zero
        if let oldest = window.oldest {
            state.lagTime = .nanoseconds(max(0, Timestamp.wallClock().nanoseconds - oldest.time.nanoseconds))
        }
        progress(state)
    }
}
