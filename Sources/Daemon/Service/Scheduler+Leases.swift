import KVModel
import KeyValue
import Logging
import Schedule

/// The jobs that this daemon shares with others.
extension Scheduler {
    /// Takes part in the leases until it is cancelled; throws if they cannot be used.
    func shareJobs(_ settings: LeaseSettings) async throws {
        try await waitForLeases(settings.cluster)
        let sharing = LeaseSharing(
            settings,
            buckets: { [connections] in try await connections.buckets(of: settings.cluster) },
            daemon: options.name,
            jobs: Set(configuration.jobs.map(\.name)),
            logger: logger
        )
        leases = sharing
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.follow(sharing) }
            group.addTask {
                try await sharing.memory.follow { job, memory in await self.adopt(memory, of: job) }
            }
            group.addTask { try await self.makeRoom(sharing, every: settings.duration / 3) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Waits for the cluster of the leases.
    private func waitForLeases(_ cluster: String) async throws {
        var isSaid = false
        while true {
            do {
                _ = try await connections.buckets(of: cluster)
                return
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                if !isSaid {
                    logger.warning(
                        "no job runs before the cluster of the leases is reached",
                        metadata: ["cluster": "\(cluster)", "reason": "\(error)"]
                    )
                }
                isSaid = true
            }
            try await Task.sleep(for: .seconds(1))
        }
    }

    private func follow(_ sharing: LeaseSharing) async throws {
        for await event in sharing.keeper.events {
            switch event {
            case .gained(let job, _): try await gained(job, sharing)
            case .lost(let job, let why):
                if why != .givenUp {
                    logger.warning("a lease is lost", metadata: ["job": "\(job)", "reason": "\(why)"])
                }
                perform(machine.leaseLost(job, at: Self.now()))
                dismissWaiters()
            }
        }
        try Task.checkCancellation()
        try await sharing.failure()
    }

    /// A lease is worth something once it is known what others did with the job.
    private func gained(_ job: String, _ sharing: LeaseSharing) async throws {
        while sharing.keeper.lease(job) != nil {
            do {
                let memory = try await sharing.memory.get(job)
                adopt(memory, of: job)
                // Paused before there were others to tell.
                if memory.isPaused == nil, machine.status(job)?.isPaused == true {
                    try await sharing.setPaused(true, job)
                }
                guard sharing.keeper.lease(job) != nil else { return }
                // What came of the last run here, the others may not have been told of.
                let known = [memory.lastDue, try state.jobState(job).lastDue].compactMap(\.self).max()
                return perform(machine.leaseGained(job, lastDue: known, at: Self.now()))
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                logger.debug("nothing known of a job yet", metadata: ["job": "\(job)", "reason": "\(error)"])
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Takes over what another daemon says of a job.
    private func adopt(_ memory: JobMemory, of job: String) {
        memories[job] = memory
        guard let isPaused = memory.isPaused, let status = machine.status(job), status.isPaused != isPaused else {
            return
        }
        do {
            try state.setPaused(isPaused, job: job)
        } catch {
            logger.error("a pause is not written down", metadata: ["job": "\(job)", "reason": "\(error)"])
        }
        perform(isPaused ? machine.pause(job, at: Self.now()) : machine.resume(job, at: Self.now()))
        dismissWaiters()
    }

    /// Leaves jobs to daemons that have fewer.
    private func makeRoom(_ sharing: LeaseSharing, every interval: Int64) async throws {
        while true {
            try await Task.sleep(for: .nanoseconds(interval))
            for _ in 0..<sharing.keeper.surplus() {
                // Looked for each time: giving one up takes a while, in which another may begin to run.
                let soon = Self.now().addingClamped(interval * 2)
                guard let job = movable(sharing, dueAfter: soon).first else { break }
                try await handOver(job, sharing)
            }
        }
    }

    /// The jobs that another daemon could take over, those first that it disturbs least.
    ///
    /// One of which the others do not know yet what was run stays: they would run it again.
    private func movable(_ sharing: LeaseSharing, dueAfter soon: Int64) -> [String] {
        var (resting, due, always): ([String], [String], [String]) = ([], [], [])
        for job in configuration.jobs where !sharing.isTelling(of: job.name) {
            guard let status = machine.status(job.name), status.hasLease else { continue }
            switch status.phase {
            case .idle where status.nextDue.map({ $0 > soon }) ?? true: resting.append(job.name)
            case .idle: due.append(job.name)
            case .running where job.schedule == .always: always.append(job.name)
            case .running, .queued, .retrying, .stopping: break
            }
        }
        return resting + due + always
    }

    private func handOver(_ job: String, _ sharing: LeaseSharing) async throws {
        perform(machine.handOver(job, at: Self.now()))
        while running.values.contains(where: { $0.run.job == job }) {
            try await Task.sleep(for: .milliseconds(20))
        }
        await sharing.keeper.giveUp(job)
    }
}
