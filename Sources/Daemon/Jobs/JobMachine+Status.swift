extension JobMachine {
    /// The next time that a job is due, without jitter.
    public func nextDue(_ name: String) -> Int64? { index(of: name).flatMap { jobs[$0].due } }

    /// How a job stands; nil if there is none of that name.
    public func status(_ name: String) -> Status? {
        guard let index = index(of: name) else { return nil }
        let state = jobs[index]
        let running = active.first { $0.run.job == name }
        let phase: Status.Phase =
            if let running {
                running.stopping == nil ? .running : .stopping
            } else if let waiting = state.waiting {
                waiting.cause == .retry && waiting.notBefore > settled ? .retrying : .queued
            } else {
                .idle
            }
        return Status(
            phase: phase,
            run: running?.run,
            started: running?.started,
            nextDue: state.due,
            nextAttempt: phase == .retrying ? state.waiting?.notBefore : nil,
            lastDue: state.lastDue,
            failures: state.failures,
            isPaused: state.isPaused,
            hasLease: state.hasLease
        )
    }
}
