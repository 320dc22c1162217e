import Daemon
import Foundation
import KVModel
import Schedule
import TestSupport
import Testing

/// A job of the simulation: how long its runs take, and how often they fail.
private struct SimulatedJob {
    var job: JobMachine.Job
    /// Nanoseconds.
    var duration: ClosedRange<Int64>
    /// Of a hundred runs.
    var failures: Int

    init(
        _ name: String,
        _ schedule: String,
        _ zone: String = "GMT",
        minutes: ClosedRange<Int64>,
        failures: Int = 5,
        jitter: Int64 = 0,
        missed: JobSettings.MissedRuns = .once,
        overlap: JobSettings.Overlap = .skip,
        timeout: Int64? = nil,
        attempts: Int = 3,
        clusters: Set<String> = [],
        archive: String? = nil
    ) throws {
        job = JobMachine.Job(
            name: name,
            recurrence: try Recurrence(parsing: schedule, in: try #require(TimeZone(identifier: zone))),
            jitter: jitter * second,
            missed: missed,
            overlap: overlap,
            timeout: timeout.map { $0 * 60 * second },
            retry: retries(attempts, from: 10, to: 300),
            clusters: clusters,
            archive: archive,
            content: .init(work: .verify(VerifyWork(archive: "0")), clusters: [:], archives: [:])
        )
        duration = minutes.lowerBound * 60 * second...minutes.upperBound * 60 * second
        self.failures = failures
    }
}

private func simulatedJobs() throws -> [SimulatedJob] {
    let berlin = "Europe/Berlin"
    let newYork = "America/New_York"
    let lordHowe = "Australia/Lord_Howe"
    return [
        try SimulatedJob("hourly", "@hourly", berlin, minutes: 1...20, jitter: 60, clusters: ["east"]),
        try SimulatedJob("half", "*/30 * * * *", newYork, minutes: 1...45, overlap: .queue, clusters: ["west"]),
        try SimulatedJob("every-100m", "@every 100m", minutes: 1...20, missed: .skip, clusters: ["east", "west"]),
        try SimulatedJob("every-3h", "@every 3h", minutes: 5...60, failures: 60, timeout: 55, attempts: 8),
        try SimulatedJob("every-4h", "@every 4h", minutes: 1...300, overlap: .queue, archive: "side"),
        try SimulatedJob("often-fails", "7 */6 * * *", lordHowe, minutes: 1...30, failures: 95, attempts: 4),
        try SimulatedJob("two-a-day", "0 2,14 * * *", berlin, minutes: 30...90, clusters: ["east"], archive: "main"),
        try SimulatedJob("nightly-1", "30 2 * * *", berlin, minutes: 10...90, clusters: ["east"], archive: "main"),
        try SimulatedJob("nightly-2", "30 2 * * *", berlin, minutes: 10...90, clusters: ["west"], archive: "main"),
        try SimulatedJob(
            "nightly-3",
            "15 1 * * *",
            newYork,
            minutes: 10...90,
            jitter: 600,
            clusters: ["east", "west"]
        ),
        try SimulatedJob("nightly-4", "15 2 * * *", lordHowe, minutes: 1...5, archive: "side"),
        try SimulatedJob("nightly-5", "45 1 * * *", lordHowe, minutes: 1...5, failures: 30, missed: .skip),
        try SimulatedJob("nightly-6", "0 0 3 * * *", berlin, minutes: 1...240, timeout: 120, clusters: ["east"]),
        try SimulatedJob("same-time-1", "0 0 * * *", minutes: 1...10, archive: "third"),
        try SimulatedJob("same-time-2", "0 0 * * *", minutes: 1...10, archive: "third"),
        try SimulatedJob("same-time-3", "0 0 * * *", minutes: 1...10, archive: "third"),
        try SimulatedJob("weekly", "@weekly", berlin, minutes: 60...200, overlap: .queue, clusters: ["west"]),
        try SimulatedJob("friday", "0 18 * * fri#2", newYork, minutes: 60...200),
        try SimulatedJob("monthly", "0 4 L * *", berlin, minutes: 60...200, missed: .skip, archive: "side"),
        try SimulatedJob("yearly", "@yearly", minutes: 1...2),
        try SimulatedJob("by-hand", "manual", minutes: 1...60, archive: "main"),
        try SimulatedJob("live", "always", minutes: 1...20_000, failures: 40, archive: "main"),
        try SimulatedJob("mirror-1", "always", minutes: 0...10_000, failures: 80, clusters: ["east", "west"]),
        try SimulatedJob("mirror-2", "always", minutes: 100...10_000, clusters: ["west"]),
    ]
}

/// Runs jobs by a machine in a world that is made up, and complains of whatever breaks a rule.
private struct SimulatedDaemon {
    private struct Active {
        var run: JobMachine.Run
        var job: Int
        var started: Int64
        var ends: Int64
        var outcome: RunRecord.Outcome
        var stopped: JobMachine.StopReason?
    }

    /// What is known of a job beside what the machine says.
    private struct Account {
        var seen: Set<Int64> = []
        var lastDue: Int64?
        var lastBegun: Int64?
        /// Due times up to here were due while no daemon ran.
        var excused: [ClosedRange<Int64>] = []
        var missed = 0
        /// The last run that ended.
        var ended: (run: JobMachine.Run, outcome: RunRecord.Outcome, stopped: JobMachine.StopReason?)?
        var isPaused = false
        var running: Int64 = 0
    }

    private let limits = JobMachine.Limits(total: 4, clusters: ["east": 2, "west": 2])
    private var jobs: [SimulatedJob]
    private let positions: [String: Int]
    private var generator: SeededGenerator
    private var machine: JobMachine
    private var active: [Active] = []
    private var accounts: [Account]
    private var now: Int64
    private var restarted: Int64
    private(set) var started = 0
    private(set) var leftOut = 0
    private(set) var retried = 0
    private(set) var crashes = 0
    private(set) var longestWait: Int64 = 0

    init(_ jobs: [SimulatedJob], seed: UInt64, at now: Int64) {
        self.jobs = jobs
        positions = Dictionary(uniqueKeysWithValues: jobs.indices.map { (jobs[$0].job.name, $0) })
        generator = SeededGenerator(seed: seed)
        accounts = jobs.map { _ in Account() }
        machine = JobMachine(
            jobs: jobs.map(\.job),
            limits: limits,
            generator: SeededGenerator(seed: seed + 1),
            at: now
        )
        self.now = now
        restarted = now
    }

    mutating func run(until end: Int64) throws {
        let beginning = now
        var disturbance = now
        try perform(machine.advance(to: now))
        while now < end {
            let ending = active.indices.min { active[$0].ends < active[$1].ends }
            let ends = ending.map { active[$0].ends } ?? .max
            let due = machine.waitUntil ?? .max
            try #require(due > now, "the machine waits for \(due), which is past")
            now = min(ends, due, disturbance, end)
            if let ending, ends == now {
                try endRun(active.remove(at: ending))
            } else if disturbance == now {
                try disturb()
                disturbance = now + Int64.random(in: 1...40, using: &generator) * 1800 * second
            } else {
                try perform(machine.advance(to: now))
            }
        }
        try audit(from: beginning)
        try perform(machine.stop(at: now))
        while let run = active.popLast() { try endRun(run) }
        #expect(machine.isFinished)
    }

    /// The part of the time since the beginning that a job ran, in percent.
    func share(_ name: String, of time: Int64) -> Int64 {
        positions[name].map { accounts[$0].running / (time / 100) } ?? 0
    }

    // MARK: Actions

    private mutating func perform(_ actions: [JobMachine.Action]) throws {
        for action in actions {
            switch action {
            case .start(let run):
                try begin(run)
            case .stop(let run, let reason):
                let position = try #require(active.firstIndex { $0.run == run })
                try #require(active[position].stopped == nil)
                if reason == .timeout {
                    let timeout = try #require(jobs[active[position].job].job.timeout)
                    try #require(now == active[position].started + timeout)
                }
                active[position].stopped = reason
                active[position].outcome = generator.chance(1, in: 10) ? .failed : .stopped
                active[position].ends = min(
                    active[position].ends,
                    now + Int64.random(in: 0...10, using: &generator) * second
                )
            case .leaveOut(let name, let due, let reason):
                let index = try #require(positions[name])
                leftOut += 1
                try settle(index, due)
                let status = try #require(machine.status(name))
                switch reason {
                case .overlap: try #require(status.phase != .idle)
                case .paused: try #require(accounts[index].isPaused)
                case .missed: try countMissed(index)
                }
            }
        }
    }

    private mutating func begin(_ run: JobMachine.Run) throws {
        let index = try #require(positions[run.job])
        let job = jobs[index].job
        started += 1
        let ended = accounts[index].ended
        let beginsAnew =
            ended.map { $0.stopped == .changed && $0.run.due == run.due && $0.run.attempt == run.attempt } ?? false
        if beginsAnew {
            try #require(ended?.run.cause == run.cause)
        } else if run.attempt > 1 {
            retried += 1
            try #require(run.cause == .retry)
            let ended = try #require(ended)
            try #require(ended.outcome == .failed || ended.stopped == .timeout || job.isAlways)
            try #require(ended.run.attempt + 1 == run.attempt || job.isAlways)
            try #require(ended.run.due == run.due)
        } else if let due = run.due {
            try settle(index, due)
            accounts[index].lastBegun = due
            if run.cause == .missed { try countMissed(index) }
            longestWait = max(longestWait, now - max(due, restarted))
        } else {
            try #require(run.cause == .request || job.isAlways)
        }
        try #require(!accounts[index].isPaused || run.cause == .request)
        let hundred = Int.random(in: 0..<100, using: &generator)
        let takes = Int64.random(in: jobs[index].duration, using: &generator)
        active.append(
            Active(
                run: run,
                job: index,
                started: now,
                ends: now + takes,
                outcome: hundred < jobs[index].failures ? .failed : .succeeded
            )
        )
        // Limits.
        try #require(active.count { $0.job == index } == 1, "\(job.name) runs twice")
        let counted = active.filter { !jobs[$0.job].job.isAlways }
        try #require(counted.count <= limits.total)
        for (cluster, limit) in limits.clusters {
            try #require(counted.count { jobs[$0.job].job.clusters.contains(cluster) } <= limit)
        }
        if let archive = job.archive {
            try #require(active.count { jobs[$0.job].job.archive == archive } == 1, "\(archive) has two writers")
        }
    }

    /// For all that was missed in one absence there is one run, or none.
    private mutating func countMissed(_ index: Int) throws {
        accounts[index].missed += 1
        try #require(accounts[index].missed <= crashes)
    }

    /// A due time has been run or left out: once.
    private mutating func settle(_ index: Int, _ due: Int64) throws {
        let recurrence = jobs[index].job.recurrence
        try #require(recurrence.next(after: due - 1) == due, "\(jobs[index].job.name) was not due at \(due)")
        try #require(accounts[index].seen.insert(due).inserted, "\(jobs[index].job.name) came twice for \(due)")
        try #require(due <= now)
        accounts[index].lastDue = max(accounts[index].lastDue ?? due, due)
    }

    private mutating func endRun(_ run: Active) throws {
        accounts[run.job].ended = (run.run, run.outcome, run.stopped)
        accounts[run.job].running += now - run.started
        try perform(machine.runEnded(run.run.id, RunResult(run.outcome, summary: ""), at: now))
    }

    // MARK: What happens to daemons

    private mutating func disturb() throws {
        let index = Int.random(in: jobs.indices, using: &generator)
        let name = jobs[index].job.name
        switch Int.random(in: 0..<40, using: &generator) {
        case 0..<25:
            let (reply, actions) = machine.request(name, at: now)
            try perform(actions)
            switch reply {
            case .running(let run): try #require(active.contains { $0.run == run })
            case .accepted, .waiting: break
            case .noLease, .stopping, .unknownJob: Issue.record("a request was refused: \(reply)")
            }
        case 25..<30:
            accounts[index].isPaused = true
            try perform(machine.pause(name, at: now))
        case 30..<34:
            jobs[index].job.content?.work = .verify(VerifyWork(archive: "\(now)"))
            try perform(machine.reload(jobs.map(\.job), limits: limits, at: now))
        case 34..<37:
            try perform(machine.reload(jobs.map(\.job), limits: limits, at: now))
        default:
            try crash()
        }
        for index in jobs.indices where accounts[index].isPaused && generator.chance(1, in: 5) {
            let actions = machine.resume(jobs[index].job.name, at: now)
            // What it leaves out was due while it was paused.
            for action in actions { if case .leaveOut = action { try perform([action]) } }
            accounts[index].isPaused = false
            for action in actions {
                if case .leaveOut = action { continue }
                try perform([action])
            }
        }
    }

    /// The daemon is killed; another comes after some time, which knows what is written down.
    private mutating func crash() throws {
        crashes += 1
        active = []
        now += Int64.random(in: 0...7 * 3600, using: &generator) * second
        restarted = now
        var histories: [String: JobMachine.History] = [:]
        for index in jobs.indices {
            // What had begun to wait was not written down.
            let last = accounts[index].lastDue
            accounts[index].excused.append((accounts[index].lastBegun ?? 0)...now)
            accounts[index].ended = nil
            histories[jobs[index].job.name] = JobMachine.History(lastDue: last, isPaused: accounts[index].isPaused)
        }
        machine = JobMachine(
            jobs: jobs.map(\.job),
            limits: limits,
            histories: histories,
            generator: SeededGenerator(seed: generator.next()),
            at: now
        )
        try perform(machine.advance(to: now))
    }

    // MARK: The books

    /// Every due time was run or left out, but for those while no daemon ran and those that still wait.
    private func audit(from beginning: Int64) throws {
        for (index, account) in accounts.enumerated() {
            let job = jobs[index].job
            var time = beginning
            var due = 0
            while let next = job.recurrence.next(after: time), next + job.jitter < now {
                time = next
                due += 1
                let waits = machine.status(job.name)?.phase != .idle && next > (account.lastBegun ?? 0)
                let isSettled = account.seen.contains(next) || waits || account.excused.contains { $0.contains(next) }
                try #require(isSettled, "\(job.name) was never run for \(next)")
            }
            #expect(account.seen.count <= due + 1)
        }
    }
}

@Suite struct JobMachineYearTests {
    @Test(
        "In a year every due time is run or left out once, no limit is passed, nothing waits for ever",
        arguments: isLongRun ? Array(UInt64(1)...20) : [1]
    )
    func year(_ seed: UInt64) throws {
        let beginning: Int64 = 1_767_225_600 * second
        let year = 365 * 86_400 * second
        var daemon = SimulatedDaemon(try simulatedJobs(), seed: seed, at: beginning)
        try daemon.run(until: beginning + year)
        #expect(daemon.started > 15_000)
        #expect(daemon.retried > 2000)
        #expect(daemon.leftOut > 200)
        #expect(daemon.crashes > 10)
        #expect(daemon.longestWait < 12 * 3600 * second)
        for name in ["live", "mirror-1", "mirror-2"] { #expect(daemon.share(name, of: year) > 40) }
    }
}
