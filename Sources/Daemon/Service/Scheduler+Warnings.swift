import Logging
import Schedule

/// Runs that go on all the time, and whether they do so well: nobody waits for their end to be told.
extension Scheduler {
    /// What goes wrong for so many looks in a row is told; a moment without the server is no trouble.
    private static let patience = 3
    /// So many looks must go well for a run to be told of as recovered.
    private static let probation = 6

    /// Says what goes wrong in a part of a run, and what goes well again.
    func watchRuns(at now: Int64) async {
        warnings = warnings.filter { running[$0.key] != nil }
        for entry in running.values where entry.settings.schedule == .always {
            if let warning = entry.progress.warning {
                await warn(warning, of: entry, at: now)
            } else {
                if warnings.removeValue(forKey: entry.run.id) != nil {
                    logger.info("all of a run goes well again", metadata: ["job": "\(entry.run.job)"])
                }
                await recover(entry, at: now)
            }
        }
    }

    private func warn(_ warning: String, of entry: RunningRun, at now: Int64) async {
        let count = warnings[entry.run.id, default: 0] + 1
        warnings[entry.run.id] = count
        if count == 1 {
            logger.warning(
                "a part of a run goes wrong",
                metadata: ["job": "\(entry.run.job)", "reason": "\(warning)"]
            )
        }
        guard count == Self.patience else { return }
        await tell(
            told(entry, RunResult(.failed, summary: "a part of it goes wrong", error: warning), now),
            entry.settings
        )
    }

    private func recover(_ entry: RunningRun, at now: Int64) async {
        guard hasSettled(entry, at: now) else { return }
        do {
            try forgetFailures(of: entry.run.job)
            guard try lastTold(of: entry.run.job)?.isTrouble == true, telling[entry.run.job] != .succeeded else {
                return
            }
        } catch {
            return logger.error("the state database cannot be read", metadata: ["reason": "\(error)"])
        }
        await tell(told(entry, RunResult(.succeeded, summary: "it goes on, and well"), now), entry.settings)
    }

    /// A run that goes on all the time never ends well: that it holds is what its failures before are forgotten by.
    private func forgetFailures(of job: String) throws {
        if try state.jobState(job).failures > 0 {
            try state.resetFailures(job: job)
            histories[job] = try JobHistory(of: job, in: state)
        }
        guard let leases, memories[job]?.failures ?? 0 > 0 else { return }
        memories[job]?.failures = 0
        leases.share(job, failures: 0)
    }

    /// Whether a run that goes on all the time has done so for a while: the failures before it do not count any more.
    func hasSettled(_ entry: RunningRun, at now: Int64) -> Bool {
        let age = Duration.nanoseconds(now - entry.record.started)
        return entry.settings.schedule == .always && age > options.sampleInterval * Self.probation
            && machine.status(entry.run.job)?.failures == 0
    }

    private func told(_ entry: RunningRun, _ result: RunResult, _ now: Int64) -> RunRecord {
        var record = entry.record
        record.finish(result, at: now)
        return record
    }
}
