import KVModel
import Schedule

extension JobMachine {
    /// Does what the time says: finds what is due, ends what takes too long, begins what may begin.
    mutating func settle(at now: Int64) -> [Action] {
        settled = now
        guard !isStopping else { return [] }
        var actions: [Action] = []
        for index in jobs.indices { actions += findDue(index, at: now) }
        actions += watchRuns(at: now)
        actions += beginRuns(at: now)
        return actions
    }

    // MARK: What is due

    private mutating func findDue(_ index: Int, at now: Int64) -> [Action] {
        let state = jobs[index]
        if state.job.isAlways {
            let mayRun = state.hasLease && !state.isPaused && state.waiting == nil && !isRunning(state.job.name)
            if mayRun { jobs[index].waiting = Waiting(cause: .schedule, since: now, notBefore: now) }
            return []
        }
        guard let first = state.due, let begins = state.begins, begins <= now else { return [] }
        guard state.hasLease else {
            // They were for the daemon that has the lease.
            plan(index, after: now)
            return []
        }
        var actions: [Action] = []
        let late = now.addingClamped(-Self.punctuality).addingClamped(-max(state.job.jitter, 0))
        if first < late, let latest = state.job.recurrence.latest(until: late, notBefore: first) {
            jobs[index].lastDue = latest
            plan(index, after: latest)
            if state.job.missed == .skip, !state.isPaused {
                actions.append(.leaveOut(job: state.job.name, due: latest, .missed))
            } else {
                actions += enter(index, due: latest, .missed, at: now)
            }
        }
        while let due = jobs[index].due, let begins = jobs[index].begins, begins <= now {
            jobs[index].lastDue = due
            plan(index, after: due)
            actions += enter(index, due: due, .schedule, at: now)
        }
        return actions
    }

    /// Lets a due time wait for its turn, or leaves it out.
    private mutating func enter(_ index: Int, due: Int64, _ cause: RunRecord.Cause, at now: Int64) -> [Action] {
        let name = jobs[index].job.name
        guard !jobs[index].isPaused else { return [.leaveOut(job: name, due: due, .paused)] }
        var since = due
        if let waiting = jobs[index].waiting {
            // A new due time ends the tries of the one before, and keeps their place.
            guard waiting.cause == .retry else { return [.leaveOut(job: name, due: due, .overlap)] }
            since = min(due, waiting.since)
        } else if isRunning(name), jobs[index].job.overlap == .skip {
            return [.leaveOut(job: name, due: due, .overlap)]
        }
        jobs[index].waiting = Waiting(cause: cause, due: due, since: since, notBefore: now)
        return []
    }

    func isRunning(_ name: String) -> Bool { active.contains { $0.run.job == name } }

    // MARK: What runs

    private mutating func watchRuns(at now: Int64) -> [Action] {
        var actions: [Action] = []
        for position in active.indices where active[position].stopping == nil {
            let run = active[position]
            guard let index = index(of: run.run.job) else { continue }
            if let end = timeLimit(of: run, jobs[index].job), end <= now {
                active[position].stopping = .timeout
                actions.append(.stop(run.run, .timeout))
            } else if let recovered = recovery(of: run, jobs[index]), recovered <= now {
                jobs[index].failures = 0
            }
        }
        return actions
    }

    /// When a run has taken as long as its job allows.
    private func timeLimit(of run: ActiveRun, _ job: Job) -> Int64? {
        job.timeout.map { run.started.addingClamped($0) }
    }

    /// When a run that goes on all the time has held so long that the failures before it do not count.
    private func recovery(of run: ActiveRun, _ state: JobState) -> Int64? {
        guard state.job.isAlways, state.failures > 0 else { return nil }
        return run.started.addingClamped(state.job.retry.to).addingClamped(1)
    }

    // MARK: Turns

    private mutating func beginRuns(at now: Int64) -> [Action] {
        var actions: [Action] = []
        var taken = Occupancy(active)
        let waiting = jobs.indices.compactMap { index in jobs[index].waiting.map { (index: index, entry: $0) } }
            .filter { $0.entry.notBefore <= now }
            .sorted { ($0.entry.since, $0.index) < ($1.entry.since, $1.index) }
        for (index, entry) in waiting where jobs[index].hasLease && !isRunning(jobs[index].job.name) {
            let job = jobs[index].job
            if taken.hasTurn(for: job, limits), taken.hasArchive(for: job) {
                lastID += 1
                let run = Run(
                    id: lastID,
                    job: job.name,
                    cause: entry.cause,
                    attempt: entry.attempt,
                    due: entry.due
                )
                jobs[index].waiting = nil
                active.append(ActiveRun(run: run, job: job, started: now))
                actions.append(.start(run))
                taken.total += job.isAlways ? 0 : 1
            } else if !job.isAlways, taken.hasTurn(for: job, limits) {
                // Only its archive is missing, which may be held by a run that would never give it back.
                let holder = active.firstIndex { $0.job.isAlways && $0.job.archive == job.archive }
                if let holder, active[holder].stopping == nil {
                    active[holder].stopping = .makesWay
                    actions.append(.stop(active[holder].run, .makesWay))
                }
            }
            // If it had to stay, nobody who came later takes what it waits for.
            taken.add(job)
        }
        return actions
    }

    /// What runs, and those that wait and are older, hold.
    private struct Occupancy {
        var total = 0
        private var clusters: [String: Int] = [:]
        private var archives: Set<String> = []

        init(_ active: [ActiveRun]) {
            for run in active {
                if !run.job.isAlways { total += 1 }
                add(run.job)
            }
        }

        mutating func add(_ job: Job) {
            if let archive = job.archive { archives.insert(archive) }
            guard !job.isAlways else { return }
            for cluster in job.clusters { clusters[cluster, default: 0] += 1 }
        }

        func hasArchive(for job: Job) -> Bool {
            guard let archive = job.archive else { return true }
            return !archives.contains(archive)
        }

        func hasTurn(for job: Job, _ limits: Limits) -> Bool {
            guard !job.isAlways else { return true }
            return total < max(limits.total, 1)
                && job.clusters.allSatisfy { clusters[$0, default: 0] < max(limits.clusters[$0] ?? .max, 1) }
        }
    }

    // MARK: The next event

    /// The time of the next `advance(to:)`, if nothing else happens before it; nil if nothing will be due.
    public var waitUntil: Int64? {
        guard !isStopping else { return nil }
        var times: [Int64] = []
        for state in jobs {
            if let begins = state.begins { times.append(begins) }
            // What may begin but has to wait for others begins with an event of theirs.
            if let waiting = state.waiting, waiting.notBefore > settled { times.append(waiting.notBefore) }
        }
        for run in active where run.stopping == nil {
            guard let index = index(of: run.run.job) else { continue }
            if let end = timeLimit(of: run, jobs[index].job) { times.append(end) }
            if let recovered = recovery(of: run, jobs[index]) { times.append(recovered) }
        }
        return times.min()
    }
}
