import Archive
import KVModel
import KeyValue
import Replication
import Synchronization

/// A mirror job: one bucket kept equal to another; or a reconcile job: the two compared, and the target repaired.
struct Mirroring: Sendable {
    let work: MirrorWork
    let run: JobRun
    /// Whether the mirror goes on until it is stopped; otherwise it ends when it has caught up.
    let follows: Bool

    init(_ work: MirrorWork, _ run: JobRun, follows: Bool) {
        self.work = work
        self.run = run
        self.follows = follows
    }

    var label: String { "\(work.source.cluster)/\(work.source.bucket)" }

    func run() async throws -> RunResult {
        let source = try await run.connections.buckets(of: work.source.cluster).bucket(work.source.bucket)
        let targets = try await run.connections.buckets(of: work.target.cluster)
        let position = MirrorPosition()
        let mirror = Mirror(source, to: targets, as: work.target.bucket, options: options) {
            [meter = run.meter] state in
            position.update(state)
            meter.doing(state.phase == .live ? "mirroring \(label)" : "catching up with \(label)")
            var part = ProgressMeter.Part(entries: state.entries, bytes: state.bytes, lagEntries: state.lagEntries)
            part.lagTime = state.lagTime.nanoseconds
            part.interruptions = state.interruptions
            meter.update("mirror", part)
        }
        guard follows else { return try await mirrorOnce(mirror) }
        return try await withThrowingTaskGroup(of: MirrorReport?.self) { group in
            group.addTask { try await mirror.run() }
            if let interval = work.reconcileEvery {
                group.addTask {
                    await reconcile(every: .nanoseconds(interval), beside: position)
                    return nil
                }
            }
            defer { group.cancelAll() }
            while let ended = try await group.next() {
                if let ended { return result(ended) }
            }
            return RunResult(.stopped, summary: "stopped")
        }
    }

    private func mirrorOnce(_ mirror: Mirror) async throws -> RunResult {
        var mirrored = result(try await mirror.run())
        guard mirrored.outcome == .succeeded, let interval = work.reconcileEvery,
            run.runner.memory.isDue(run.name, every: .nanoseconds(interval))
        else { return mirrored }
        let reconciled = try await reconcile()
        mirrored.outcome = reconciled.outcome
        mirrored.summary += "; \(reconciled.summary)"
        mirrored.error = reconciled.error
        return mirrored
    }

    private var options: MirrorOptions {
        var options = MirrorOptions()
        options.filter = work.filter
        options.mapping = work.mapping
        options.deletes = work.deletes
        options.follows = follows
        options.onRecreate = work.resyncs ? .resync : .stop
        options.preservesRevisions = work.preservesRevisions
        options.bytesPerSecond = run.slowest(work.bytesPerSecond)
        options.settings = work.settings
        options.patience = follows ? nil : .seconds(120)
        options.fencingToken = run.lease?.token
        return options
    }

    private func result(_ report: MirrorReport) -> RunResult {
        var result: RunResult
        switch report.outcome {
        case .caughtUp: result = RunResult(.succeeded, summary: "caught up, ")
        case .notCaughtUp:
            result = RunResult(.failed, summary: "not caught up, ")
            result.error =
                "\(label) is written to all the time: the mirror did not come to its end; it goes on from there the "
                + "next time, or let it follow the source"
        case .stopped: result = RunResult(.stopped, summary: "stopped at a checkpoint, ")
        }
        result.summary += "\(report.written) \(report.written == 1 ? "entry" : "entries") written"
        result.summary += ", to revision \(report.resumeRevision) of the source"
        if report.isTargetNew { result.summary += "; the target was made" }
        if report.resynced { result.summary += "; the source was another one, \(report.removed) keys removed" }
        if report.foreignChanges > 0 {
            result.summary += "; \(report.foreignChanges) changes by others found in the target"
        }
        result.revision = report.resumeRevision
        result.entries = report.written
        result.bytes = report.bytes
        return result
    }
}

/// How far a mirror has come, for a comparison beside it.
final class MirrorPosition: Sendable {
    private let state = Mutex(MirrorProgress())

    var isLive: Bool { state.withLock { $0.phase == .live } }
    var resumeRevision: Revision { state.withLock { $0.resumeRevision } }

    func update(_ progress: MirrorProgress) {
        state.withLock { $0 = progress }
    }
}

/// What a runner remembers from one run to the next, as long as the process lives.
final class RunnerMemory: Sendable {
    private let reconciled = Mutex<[String: ContinuousClock.Instant]>([:])

    /// Whether a job's last comparison is so long ago that another is due, which is taken to begin now.
    func isDue(_ job: String, every interval: Duration) -> Bool {
        let now = ContinuousClock.now
        return reconciled.withLock { times in
            if let last = times[job], now - last < interval { return false }
            times[job] = now
            return true
        }
    }
}

extension Duration {
    /// In nanoseconds, as far as 64 bits go.
    fileprivate var nanoseconds: Int64 {
        let (whole, overflow) = components.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max : whole + components.attoseconds / 1_000_000_000
    }
}
