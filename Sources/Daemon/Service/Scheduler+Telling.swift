import Logging
import Schedule

/// What somebody is told of runs.
extension Scheduler {
    /// Tells of a run; of one that failed when it is not tried again.
    func tell(_ record: RunRecord, _ settings: JobSettings) async {
        let status = machine.status(record.job)
        leases?.share(record.job, failures: status?.failures ?? 0)
        guard record.outcome != .stopped, status?.isTriedAgain(by: settings) != true else { return }
        let previous: RunRecord.Outcome?
        do {
            previous = try lastTold(of: record.job)
        } catch {
            // Twice is better than never.
            logger.error("the state database cannot be read", metadata: ["reason": "\(error)"])
            previous = nil
        }
        // What goes on failing all the time is told of once.
        let isRepeated =
            settings.schedule == .always && record.outcome.isTrouble
            && (telling[record.job] ?? previous)?.isTrouble == true
        guard !isRepeated else { return }
        guard let notify = settings.notify else { return told(record.outcome, of: record.job) }
        let last = telling[record.job] ?? previous
        telling[record.job] = record.outcome
        await notifier.tell(record, notify, after: last) { [weak self] failure in
            await self?.arrived(record.outcome, of: record.job, failure)
        }
    }

    /// What somebody was last told of a job, by this daemon or by another that shares it.
    func lastTold(of job: String) throws -> RunRecord.Outcome? {
        leases == nil ? try state.jobState(job).notified : memories[job]?.notified
    }

    private func arrived(_ outcome: RunRecord.Outcome, of job: String, _ failure: String?) {
        if telling[job] == outcome { telling[job] = nil }
        untold[job] = failure
        if failure == nil { told(outcome, of: job) }
    }

    private func told(_ outcome: RunRecord.Outcome, of job: String) {
        do {
            try state.setNotified(outcome, job: job)
        } catch {
            logger.error("what was told is not written down", metadata: ["job": "\(job)", "reason": "\(error)"])
        }
        guard let leases else { return }
        memories[job, default: JobMemory()].notified = outcome
        leases.share(job, notified: outcome)
    }

    /// Tells of the runs that were cut off with the daemon before; what runs all the time just goes on.
    func tellOfLeftBehind() async {
        for run in leftBehind {
            guard let settings = configuration.jobs.first(where: { $0.name == run.job }), settings.schedule != .always
            else { continue }
            await tell(run, settings)
        }
        leftBehind = []
    }
}

extension JobMachine.Status {
    /// Whether a run that has just failed is tried again before anybody is told.
    func isTriedAgain(by settings: JobSettings) -> Bool {
        guard phase == .retrying || phase == .queued else { return false }
        // A due time that comes before the next try ends the tries.
        if phase == .retrying, let nextAttempt, let nextDue, nextDue < nextAttempt { return false }
        return settings.schedule == .always ? failures > 0 && failures < settings.retry.attempts : phase == .retrying
    }
}
