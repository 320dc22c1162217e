import Daemon
import Schedule
import TestSupport
import Testing

/// A job machine driven in seconds, whose actions are read as lines.
struct JobBench {
    var machine: JobMachine

    init(
        _ jobs: [JobMachine.Job],
        total: Int = 10,
        clusters: [String: Int] = [:],
        usesLeases: Bool = false,
        histories: [String: JobMachine.History] = [:],
        at seconds: Int64 = 0
    ) {
        machine = JobMachine(
            jobs: jobs,
            limits: JobMachine.Limits(total: total, clusters: clusters),
            usesLeases: usesLeases,
            histories: histories,
            generator: SeededGenerator(seed: 1),
            at: seconds * second
        )
    }

    mutating func advance(_ seconds: Int64) -> [String] { lines(machine.advance(to: seconds * second)) }

    mutating func ended(_ id: Int64, _ outcome: RunRecord.Outcome = .succeeded, at seconds: Int64) -> [String] {
        lines(machine.runEnded(id, RunResult(outcome, summary: ""), at: seconds * second))
    }

    mutating func pause(_ job: String, at seconds: Int64) -> [String] {
        lines(machine.pause(job, at: seconds * second))
    }

    mutating func resume(_ job: String, at seconds: Int64) -> [String] {
        lines(machine.resume(job, at: seconds * second))
    }

    mutating func request(_ job: String, at seconds: Int64) -> (JobMachine.Reply, [String]) {
        let (reply, actions) = machine.request(job, at: seconds * second)
        return (reply, lines(actions))
    }

    mutating func reload(_ jobs: [JobMachine.Job], total: Int = 10, at seconds: Int64) -> [String] {
        lines(machine.reload(jobs, limits: JobMachine.Limits(total: total), at: seconds * second))
    }

    mutating func gained(_ job: String, lastDue: Int64? = nil, at seconds: Int64) -> [String] {
        lines(machine.leaseGained(job, lastDue: lastDue.map { $0 * second }, at: seconds * second))
    }

    mutating func lost(_ job: String, at seconds: Int64) -> [String] {
        lines(machine.leaseLost(job, at: seconds * second))
    }

    mutating func handedOver(_ job: String, at seconds: Int64) -> [String] {
        lines(machine.handOver(job, at: seconds * second))
    }

    mutating func stop(at seconds: Int64) -> [String] { lines(machine.stop(at: seconds * second)) }

    /// The time of the next event, in whole seconds.
    var waitUntil: Int64? { machine.waitUntil.map { $0 / second } }

    /// Advances to the next time that something is to be done.
    mutating func wait() throws -> (Int64, [String]) {
        let time = try #require(machine.waitUntil)
        return (time / second, lines(machine.advance(to: time)))
    }

    private func lines(_ actions: [JobMachine.Action]) -> [String] {
        actions.map { action in
            switch action {
            case .start(let run):
                let tries = run.attempt > 1 ? " try \(run.attempt)" : ""
                let due = run.due.map { " due \($0 / second)" } ?? ""
                return "start \(run.job)#\(run.id) \(run.cause)\(tries)\(due)"
            case .stop(let run, let reason):
                return "stop \(run.job)#\(run.id) \(reason)"
            case .leaveOut(let job, let due, let reason):
                return "leave out \(job) due \(due / second) \(reason)"
            }
        }
    }
}

/// Nanoseconds of a second.
let second: Int64 = 1_000_000_000

/// A job that is due every so many seconds.
func every(
    _ seconds: Int64,
    _ name: String = "a",
    overlap: JobSettings.Overlap = .skip,
    missed: JobSettings.MissedRuns = .once,
    timeout: Int64? = nil,
    jitter: Int64 = 0,
    retry: JobSettings.Retry = retries(1),
    clusters: Set<String> = [],
    archive: String? = nil
) -> JobMachine.Job {
    JobMachine.Job(
        name: name,
        recurrence: .every(seconds * second),
        jitter: jitter * second,
        missed: missed,
        overlap: overlap,
        timeout: timeout.map { $0 * second },
        retry: retry,
        clusters: clusters,
        archive: archive
    )
}

/// A job that runs all the time.
func always(_ name: String = "a", archive: String? = nil, clusters: Set<String> = []) -> JobMachine.Job {
    JobMachine.Job(
        name: name,
        recurrence: .always,
        retry: retries(3, from: 10, to: 60),
        clusters: clusters,
        archive: archive
    )
}

/// So many tries, with waits in seconds.
func retries(_ attempts: Int, from: Int64 = 10, to: Int64 = 300) -> JobSettings.Retry {
    var retry = JobSettings.Retry()
    retry.attempts = attempts
    retry.from = from * second
    retry.to = to * second
    return retry
}
