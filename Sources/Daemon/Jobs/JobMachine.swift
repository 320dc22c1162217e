import KVModel
import Schedule

/// Decides which runs of jobs begin and end, and when: events in, actions out.
///
/// It does nothing itself, reads no clock and has no chance of its own: each event says what time it is, in nanoseconds
/// since 1970, and random numbers come from a generator that is passed in. Whoever drives it gives it every event, does
/// what the actions say, and calls `advance(to:)` at `waitUntil` at the latest. Its rules:
///
/// - A due time is run once, up to `jitter` later. One that is found more than a minute too late, by a daemon that did
///   not run or slept, is missed: `once` makes one run up for all of them, `skip` none.
/// - A job has one run at a time. What is due meanwhile is left out, or of `queue` one waits.
/// - What may not begin yet waits, and the oldest begins first: a younger one never takes what an older one waits for.
/// - A failed run is tried again after waits that double, each shortened at random by up to a half; a new due time ends
///   that.
/// - A job that runs all the time is begun again when it ends: after a failure with the same waits and without end. It
///   counts among no limit, but gives an archive that it writes to any run that waits for it.
/// - Without its lease a job does not begin, and its due times are another daemon's.
public struct JobMachine: Sendable {
    /// How late a due time may be found without having been missed, in nanoseconds.
    static let punctuality: Int64 = 60_000_000_000
    /// How far apart two beginnings of a job that runs all the time are at least.
    static let spacing: Int64 = 1_000_000_000

    /// A run that is to begin.
    struct Waiting: Sendable, Hashable {
        var cause: RunRecord.Cause
        var attempt = 1
        var due: Int64?
        /// Since when it waits for its turn: the oldest begins first.
        var since: Int64
        /// Before this it does not begin.
        var notBefore: Int64
        /// Whether its due time was begun before.
        var isAgain = false
    }

    struct JobState: Sendable {
        var job: Job
        /// The next time it is due.
        var due: Int64?
        /// The same with jitter.
        var begins: Int64?
        var lastDue: Int64?
        var isPaused: Bool
        var hasLease: Bool
        var failures = 0
        var waiting: Waiting?
    }

    struct ActiveRun: Sendable {
        var run: Run
        /// The job as it was when the run began.
        var job: Job
        var started: Int64
        var stopping: StopReason?
    }

    var jobs: [JobState] = []
    var active: [ActiveRun] = []
    var limits: Limits
    var isStopping = false
    var lastID: Int64 = 0
    /// The time of the last event.
    var settled: Int64
    private let usesLeases: Bool
    private var generator: any RandomNumberGenerator & Sendable

    /// A machine with these jobs; what is due begins with the first event.
    ///
    /// With leases no job runs before `leaseGained` is called for it.
    public init(
        jobs: [Job],
        limits: Limits,
        usesLeases: Bool = false,
        histories: [String: History] = [:],
        generator: some RandomNumberGenerator & Sendable,
        at now: Int64
    ) {
        self.limits = limits
        self.usesLeases = usesLeases
        self.generator = generator
        settled = now
        for job in jobs { add(job, histories[job.name] ?? History(), at: now) }
    }

    /// Whether the daemon was told to stop and no run is left.
    public var isFinished: Bool { isStopping && active.isEmpty }

    /// Time has gone on.
    public mutating func advance(to now: Int64) -> [Action] {
        settle(at: now)
    }

    /// A run has ended, whether it was told to or not.
    public mutating func runEnded(_ id: Run.ID, _ result: RunResult, at now: Int64) -> [Action] {
        guard let position = active.firstIndex(where: { $0.run.id == id }) else { return settle(at: now) }
        let ended = active.remove(at: position)
        if let index = index(of: ended.run.job) { conclude(ended, result.outcome, of: index, at: now) }
        return settle(at: now)
    }

    /// Somebody asks for a run of a job; a paused job runs as well.
    public mutating func request(_ name: String, at now: Int64) -> (reply: Reply, actions: [Action]) {
        let actions = settle(at: now)
        guard let index = index(of: name) else { return (.unknownJob, actions) }
        guard !isStopping else { return (.stopping, actions) }
        guard jobs[index].hasLease else { return (.noLease, actions) }
        if let running = active.first(where: { $0.run.job == name }) { return (.running(running.run), actions) }
        if let waiting = jobs[index].waiting, waiting.notBefore <= now { return (.waiting, actions) }
        jobs[index].waiting = Waiting(cause: .request, since: now, notBefore: now)
        return (.accepted, actions + settle(at: now))
    }

    /// Nothing more of a job begins; what runs ends as it would, unless it would never.
    public mutating func pause(_ name: String, at now: Int64) -> [Action] {
        guard let index = index(of: name) else { return settle(at: now) }
        var actions: [Action] = []
        if let waiting = jobs[index].waiting, let due = waiting.due, waiting.attempt == 1, !waiting.isAgain {
            actions.append(.leaveOut(job: name, due: due, .paused))
        }
        jobs[index].isPaused = true
        jobs[index].waiting = nil
        return actions + stopRuns(.paused) { $0.run.job == name && $0.job.isAlways } + settle(at: now)
    }

    /// A paused job is due again from now on.
    public mutating func resume(_ name: String, at now: Int64) -> [Action] {
        // What was due until now was due while it was paused.
        let actions = settle(at: now)
        guard let index = index(of: name) else { return actions }
        jobs[index].isPaused = false
        return actions + settle(at: now)
    }

    /// This daemon may run a job; the last due time that any daemon has run is known from what they share.
    public mutating func leaseGained(_ name: String, lastDue: Int64? = nil, at now: Int64) -> [Action] {
        guard let index = index(of: name), !jobs[index].hasLease else { return settle(at: now) }
        jobs[index].hasLease = true
        plan(index, after: min(lastDue ?? now, now))
        return settle(at: now)
    }

    /// This daemon may no longer run a job.
    public mutating func leaseLost(_ name: String, at now: Int64) -> [Action] {
        guard usesLeases else { return settle(at: now) }
        if let index = index(of: name) {
            jobs[index].hasLease = false
            jobs[index].waiting = nil
            jobs[index].failures = 0
        }
        // Whatever else it was told, now it has no more time.
        return stopRuns(.leaseLost, evenIfStopping: true) { $0.run.job == name } + settle(at: now)
    }

    /// Another daemon is to have the job: nothing more of it begins, and what runs comes to a checkpoint.
    ///
    /// The lease may be given up when no run is left.
    public mutating func handOver(_ name: String, at now: Int64) -> [Action] {
        guard usesLeases, let index = index(of: name) else { return settle(at: now) }
        jobs[index].hasLease = false
        jobs[index].waiting = nil
        jobs[index].failures = 0
        return stopRuns(.handedOver) { $0.run.job == name } + settle(at: now)
    }

    /// The configuration was read again.
    ///
    /// Jobs whose content did not change run on; histories are those of jobs that were not there before.
    public mutating func reload(
        _ new: [Job],
        limits: Limits,
        histories: [String: History] = [:],
        at now: Int64
    ) -> [Action] {
        // What was due until now was due by the old configuration.
        var actions = settle(at: now)
        self.limits = limits
        let old = jobs
        jobs = []
        for job in new {
            guard var state = old.first(where: { $0.job.name == job.name }) else {
                add(job, histories[job.name] ?? History(), at: now)
                continue
            }
            let before = state.job
            state.job = job
            if before.isAlways != job.isAlways { state.waiting = nil }
            if before.content != job.content { state.failures = 0 }
            jobs.append(state)
            if before.recurrence != job.recurrence { plan(jobs.count - 1, after: now) }
        }
        let current = Dictionary(jobs.map { ($0.job.name, $0.job) }, uniquingKeysWith: { first, _ in first })
        actions += stopRuns(.removed) { current[$0.run.job] == nil }
        actions += stopRuns(.changed) { run in
            guard let job = current[run.run.job] else { return false }
            return job.content != run.job.content || job.isAlways != run.job.isAlways
                || job.archive != run.job.archive || job.clusters != run.job.clusters
        }
        return actions + settle(at: now)
    }

    /// The daemon is to end: nothing more begins.
    public mutating func stop(at now: Int64) -> [Action] {
        isStopping = true
        settled = now
        for index in jobs.indices { jobs[index].waiting = nil }
        return stopRuns(.stop) { _ in true }
    }

    // MARK: Jobs

    func index(of name: String) -> Int? { jobs.firstIndex { $0.job.name == name } }

    private mutating func add(_ job: Job, _ history: History, at now: Int64) {
        jobs.append(
            JobState(job: job, lastDue: history.lastDue, isPaused: history.isPaused, hasLease: !usesLeases)
        )
        // A last time that lies ahead was written by a clock that went wrong.
        plan(jobs.count - 1, after: min(history.lastDue ?? now, now))
    }

    /// Sets a job's next due time.
    mutating func plan(_ index: Int, after time: Int64) {
        let due = jobs[index].job.recurrence.next(after: time)
        let jitter = jobs[index].job.jitter
        let delay = jitter > 0 ? Int64.random(in: 0...jitter, using: &generator) : 0
        jobs[index].due = due
        jobs[index].begins = due?.addingClamped(delay)
    }

    private mutating func stopRuns(
        _ reason: StopReason,
        evenIfStopping: Bool = false,
        where isMeant: (ActiveRun) -> Bool
    ) -> [Action] {
        var actions: [Action] = []
        for position in active.indices where isMeant(active[position]) {
            guard active[position].stopping == nil || evenIfStopping && active[position].stopping != reason else {
                continue
            }
            active[position].stopping = reason
            actions.append(.stop(active[position].run, reason))
        }
        return actions
    }

    // MARK: Ends

    private mutating func conclude(_ ended: ActiveRun, _ outcome: RunRecord.Outcome, of index: Int, at now: Int64) {
        switch ended.stopping {
        case .removed, .leaseLost, .handedOver, .makesWay, .paused, .stop:
            return
        case .changed:
            // What runs all the time begins again by itself.
            guard !ended.job.isAlways, !jobs[index].job.isAlways, outcome == .stopped || outcome == .failed,
                jobs[index].waiting == nil, jobs[index].hasLease, !jobs[index].isPaused, !isStopping
            else { return }
            jobs[index].waiting = Waiting(
                cause: ended.run.cause,
                attempt: ended.run.attempt,
                due: ended.run.due,
                since: ended.run.due ?? ended.started,
                notBefore: now,
                isAgain: true
            )
            return
        case .timeout, nil:
            break
        }
        switch outcome {
        case .succeeded, .different:
            jobs[index].failures = 0
        case .stopped where ended.stopping == nil:
            break
        case .failed, .running, .stopped:
            fail(ended, of: index, at: now)
            return
        }
        guard jobs[index].job.isAlways, !isStopping, !jobs[index].isPaused, jobs[index].hasLease else { return }
        let begins = max(now, ended.started.addingClamped(Self.spacing))
        jobs[index].waiting = Waiting(cause: .schedule, since: begins, notBefore: begins)
    }

    private mutating func fail(_ ended: ActiveRun, of index: Int, at now: Int64) {
        let job = jobs[index].job
        if job.isAlways, now - ended.started > job.retry.to { jobs[index].failures = 0 }
        jobs[index].failures += 1
        guard !isStopping, !jobs[index].isPaused, jobs[index].hasLease, jobs[index].waiting == nil else { return }
        let attempt = job.isAlways ? jobs[index].failures : ended.run.attempt
        guard job.isAlways || attempt < job.retry.attempts else { return }
        let begins = now.addingClamped(pause(before: attempt + 1, job.retry))
        jobs[index].waiting = Waiting(
            cause: .retry,
            attempt: attempt + 1,
            due: ended.run.due,
            since: begins,
            notBefore: begins
        )
    }

    /// How long is waited before a try.
    private mutating func pause(before attempt: Int, _ retry: JobSettings.Retry) -> Int64 {
        var longest = max(retry.from, 1)
        for _ in 2..<max(attempt, 2) where longest < retry.to { longest = longest.addingClamped(longest) }
        longest = min(longest, max(retry.to, 0))
        return longest - Int64.random(in: 0...longest / 2, using: &generator)
    }
}
