import KVModel
import KeyValue

extension Scheduler: DaemonControl {
    /// Everything that can be shown, as it is now.
    public func view() async throws -> DaemonView {
        let now = Self.now()
        let holders = leases?.keeper.holders() ?? [:]
        return DaemonView(
            name: options.name,
            version: options.version,
            started: started,
            now: now,
            jobs: configuration.jobs.map { jobView($0, holder: holders[$0.name]?.daemon) },
            buckets: buckets,
            archives: archiveViews,
            daemons: peers(holders)
        )
    }

    /// Runs, newest first.
    public func runs(of job: String?, before: Int64?, limit: Int) async throws -> [RunRecord] {
        if let job { _ = try configuration.job(job) }
        return try state.runs(job: job, before: before, limit: limit)
    }

    /// Begins a run as soon as there is room for it.
    public func runNow(_ job: String) async throws {
        let name = try configuration.job(job).name
        let (reply, actions) = machine.request(name, at: Self.now())
        perform(actions)
        switch reply {
        case .accepted, .waiting, .running: return
        case .unknownJob: throw configuration.unknownJob(job)
        case .stopping: throw DaemonError(.stopped, text: "the daemon is stopping", hint: "ask when it runs again")
        case .noLease:
            let holder = leases?.keeper.holders()[name]?.daemon
            throw DaemonError(
                .leaseHeldByOther,
                text: holder.map { "job \(name) runs on daemon \($0)" } ?? "no daemon has the lease of job \(name) yet",
                hint: holder.map { "ask daemon \($0)" } ?? "try again in a moment"
            )
        }
    }

    /// Begins no more runs of a job until it is resumed.
    public func pause(_ job: String) async throws { try await setPaused(true, job) }

    /// Lets a paused job run by its schedule again.
    public func resume(_ job: String) async throws { try await setPaused(false, job) }

    /// Whether the daemon can do its work.
    public func readiness() async -> Readiness {
        var reasons: [String] = []
        for cluster in await connections.status() where cluster.isMissing {
            reasons.append("cluster \(cluster.cluster) is not connected" + (cluster.failure.map { ": \($0)" } ?? ""))
        }
        if configuration.daemon.leases != nil, leases == nil {
            reasons.append("the bucket of leases was not reached yet")
        }
        if let trouble = leases?.keeper.trouble {
            reasons.append("this daemon takes no jobs: the bucket of leases does not take its word: \(trouble)")
        }
        return reasons.isEmpty ? .ready : .notReady(reasons)
    }

    private func setPaused(_ isPaused: Bool, _ job: String) async throws {
        let name = try configuration.job(job).name
        if configuration.daemon.leases != nil {
            // What the others say counts: told to this daemon alone, it would be taken back by the next word of theirs.
            guard let leases else {
                throw DaemonError(
                    .leases,
                    text: "the bucket of leases was not reached yet, and other daemons cannot be told",
                    hint: "try again when its cluster is connected"
                )
            }
            try await leases.setPaused(isPaused, name)
        }
        try state.setPaused(isPaused, job: name)
        perform(isPaused ? machine.pause(name, at: Self.now()) : machine.resume(name, at: Self.now()))
        dismissWaiters()
    }

    private func jobView(_ settings: JobSettings, holder: String?) -> JobView {
        let (name, history) = (settings.name, histories[settings.name])
        let status = machine.status(name)
        let entry = running.values.first { $0.run.job == name }
        let isElsewhere = leases != nil && status?.hasLease != true
        let memory = isElsewhere ? memories[name] : nil
        let isWell = entry.map { hasSettled($0, at: Self.now()) } ?? false
        let failures = isWell ? 0 : memory?.failures ?? max(status?.failures ?? 0, history?.failures ?? 0)
        return JobView(
            name: name,
            kind: settings.kind,
            summary: settings.summary,
            schedule: settings.scheduleText,
            state: state(
                of: status,
                failures: failures,
                warning: entry?.progress.warning,
                isElsewhere: isElsewhere,
                hasRun: history?.recent.first != nil
            ),
            isPaused: status?.isPaused ?? false,
            nextRun: status?.nextAttempt ?? status?.nextDue,
            holder: holder,
            lastRun: history?.recent.first,
            lastSuccess: history?.lastSuccess?.finished,
            consecutiveFailures: failures,
            untold: untold[name],
            runningSince: entry?.record.started,
            progress: entry?.progress,
            recentRuns: history?.recent ?? [],
            samples: samples[name] ?? [],
            totals: totals[name] ?? JobView.Totals()
        )
    }

    private func state(
        of status: JobMachine.Status?,
        failures: Int,
        warning: String?,
        isElsewhere: Bool,
        hasRun: Bool
    ) -> JobView.State {
        if status?.isPaused == true { return .paused }
        if failures > 0 || warning != nil { return .failing }
        if isElsewhere { return .elsewhere }
        switch status?.phase {
        case .running, .stopping: return .running
        case .queued, .retrying: return .waiting
        case .idle, nil: return hasRun ? .ok : .neverRan
        }
    }

    private func peers(_ holders: [String: LeaseHolder]) -> [PeerView] {
        guard let keeper = leases?.keeper else {
            return [PeerView(name: options.name, isSelf: true, jobs: configuration.jobs.map(\.name))]
        }
        return keeper.daemons().map { daemon in
            PeerView(
                name: daemon.daemon,
                isSelf: daemon.instance == keeper.me.instance,
                jobs: holders.filter { $0.value.instance == daemon.instance }.map(\.key).sorted()
            )
        }
    }
}
