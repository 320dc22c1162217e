import Synchronization

/// A run that goes on here, and how far it has come.
final class RunningRun: Sendable {
    private struct State {
        var progress = RunProgress(activity: "beginning")
        var reason: JobMachine.StopReason?
        var task: Task<Void, Never>?
    }

    let run: JobMachine.Run
    let settings: JobSettings
    /// As it was written down when it began; its number is 0 if the state database took nothing.
    let record: RunRecord
    private let lease: Lease?
    private let state = Mutex(State())

    init(_ run: JobMachine.Run, _ settings: JobSettings, _ record: RunRecord, _ lease: Lease?) {
        self.run = run
        self.settings = settings
        self.record = record
        self.lease = lease
    }

    var progress: RunProgress {
        get { state.withLock { $0.progress } }
        set { state.withLock { $0.progress = newValue } }
    }

    /// Whether another daemon may have the job by now.
    var hasLostLease: Bool { lease.map { !$0.isValid } ?? false }

    /// Why it was told to stop; nil if it was not.
    var stopReason: JobMachine.StopReason? { state.withLock { $0.reason } }

    /// Says which task does its work; one that was told to stop before is cancelled at once.
    func works(in task: Task<Void, Never>) {
        let isStopped = state.withLock { state in
            state.task = task
            return state.reason != nil
        }
        if isStopped { task.cancel() }
    }

    /// Tells it to stop at its next checkpoint.
    func stop(_ reason: JobMachine.StopReason) {
        let task = state.withLock { state in
            state.reason = reason
            return state.task
        }
        task?.cancel()
    }

    /// What the run came to, with what it was stopped for.
    func result(_ result: RunResult, hasLostLease: Bool) -> RunResult {
        guard let stopReason = hasLostLease ? .leaseLost : stopReason else { return result }
        var told = result
        switch stopReason {
        case .timeout:
            let limit = settings.timeout.map { " \(TimeText.span($0))" } ?? ""
            told.outcome = .failed
            told.error = "it took longer than its timeout\(limit); give it more time, or find out what holds it up"
        case .leaseLost:
            guard result.outcome != .different else { return result }
            told.outcome = .stopped
            told.summary = "stopped: the lease was lost, another daemon goes on"
            told.error = nil
        case .handedOver:
            guard result.outcome == .stopped else { return result }
            told.summary = "stopped: a daemon that has fewer jobs goes on"
        case .removed, .changed, .makesWay, .paused, .stop:
            break
        }
        return told
    }
}
