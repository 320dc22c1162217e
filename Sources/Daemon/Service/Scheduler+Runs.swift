import KVModel
import Logging
import Schedule

/// The machine's actions, carried out.
extension Scheduler {
    func perform(_ actions: [JobMachine.Action]) {
        var leftOut: [String: (count: Int, last: Int64, why: JobMachine.Omission)] = [:]
        for action in actions {
            switch action {
            case .start(let run): begin(run)
            case .stop(let run, let reason): running[run.id]?.stop(reason)
            case .leaveOut(let job, let due, let why):
                let known = leftOut[job]
                leftOut[job] = ((known?.count ?? 0) + 1, max(known?.last ?? due, due), why)
            }
        }
        // After a long absence these are many: they are told of, and written down, together.
        for (job, omitted) in leftOut.sorted(by: { $0.key < $1.key }) {
            logger.notice(
                "due runs are left out",
                metadata: [
                    "job": "\(job)", "count": "\(omitted.count)",
                    "last": "\(Timestamp(nanoseconds: omitted.last))", "reason": "\(omitted.why.rawValue)",
                ]
            )
            remember(omitted.last, of: job)
        }
    }

    private func begin(_ run: JobMachine.Run) {
        let now = Self.now()
        guard let settings = configuration.jobs.first(where: { $0.name == run.job }) else {
            return perform(machine.runEnded(run.id, RunResult(.stopped, summary: "the job is gone"), at: now))
        }
        // Whoever was suspended finds out here that the lease is somebody else's by now.
        let lease = leases?.keeper.lease(run.job)
        if leases != nil, lease == nil {
            perform(machine.leaseLost(run.job, at: now))
            return perform(machine.runEnded(run.id, RunResult(.stopped, summary: "no lease"), at: now))
        }
        var record = RunRecord(
            job: run.job,
            kind: settings.kind,
            cause: run.cause,
            attempt: run.attempt,
            due: run.due,
            started: now,
            daemon: options.name
        )
        do {
            record = try state.begin(record)
        } catch {
            // A backup that is not written down is better than none.
            logger.error("a run is not written down", metadata: ["job": "\(run.job)", "reason": "\(error)"])
        }
        // The due time itself counts as handled when something has come of it: a run that is cut off is missed.
        if let due = run.due { remember(due - 1, of: run.job) }
        let entry = RunningRun(run, settings, record, lease)
        running[run.id] = entry
        logger.info(
            "run begins",
            metadata: ["job": "\(run.job)", "cause": "\(run.cause.rawValue)", "attempt": "\(run.attempt)"]
        )
        entry.works(
            in: Task {
                let result = await runner.run(settings, lease: lease) { entry.progress = $0 }
                await self.ended(entry, result)
            }
        )
    }

    private func ended(_ entry: RunningRun, _ result: RunResult) async {
        let now = Self.now()
        // After the time of the end: what ended before the lease did was rightly done.
        let hasLost = entry.hasLostLease
        let told = entry.result(result, hasLostLease: hasLost)
        running[entry.run.id] = nil
        var record = entry.record
        record.finish(told, at: now)
        if !write(told, of: entry, at: now) { histories[entry.run.job]?.add(record) }
        totals[entry.run.job, default: JobView.Totals()].add(told)
        log(record)
        // The run may find it out before the keeper of the leases does.
        if configuration.jobs.allSatisfy({ $0.name != entry.run.job }) {
            // Its lease stays until its last run has ended.
            leases?.keeper.candidates.remove(entry.run.job)
        }
        if hasLost { perform(machine.leaseLost(entry.run.job, at: now)) }
        perform(machine.runEnded(entry.run.id, told, at: now))
        let isTriedAgain = machine.status(entry.run.job)?.isTriedAgain(by: entry.settings) == true
        if let due = entry.run.due, told.outcome != .stopped, !isTriedAgain { remember(due, of: entry.run.job) }
        if !isTriedAgain || told.outcome == .stopped {
            for waiter in waiters.removeValue(forKey: entry.run.job) ?? [] { waiter.resume(returning: record) }
        }
        // Whoever has the job now says what becomes of it.
        if !hasLost { await tell(record, entry.settings) }
    }

    /// Runs a job as soon as there is room for it, and answers what came of it after all its tries.
    ///
    /// Throws `.leaseHeldByOther` if another daemon has the job, or none has for two durations of a lease.
    public func runOnce(_ job: String) async throws -> RunRecord {
        let patience = Duration.nanoseconds((configuration.daemon.leases?.duration ?? 0) * 2)
        let deadline = ContinuousClock.now + patience
        while true {
            do {
                try await runNow(job)
                break
            } catch let error as DaemonError where error.code == .leaseHeldByOther {
                let isTaken = leases.map { $0.keeper.holders()[job] != nil } ?? false
                guard !isTaken, ContinuousClock.now < deadline else { throw error }
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        return try await withCheckedThrowingContinuation { waiters[job, default: []].append($0) }
    }

    /// How far the run of a job is that goes on here.
    public func progress(of job: String) -> RunProgress? {
        running.values.first { $0.run.job == job }?.progress
    }

    /// Answers whether a run's end is written down, and can be read again.
    private func write(_ result: RunResult, of entry: RunningRun, at now: Int64) -> Bool {
        guard entry.record.id != 0 else { return false }
        do {
            try state.finish(entry.record.id, result, at: now)
            histories[entry.run.job] = try JobHistory(of: entry.run.job, in: state)
            return true
        } catch {
            logger.error(
                "a run's end is not written down",
                metadata: ["job": "\(entry.run.job)", "reason": "\(error)"]
            )
            unwritten.append((entry.record.id, entry.run.job, result, now))
            return false
        }
    }

    /// Tries again to write down how runs ended; throws if it is not possible yet.
    func writeLeftEnds() throws {
        while let end = unwritten.first {
            try state.finish(end.id, end.result, at: end.time)
            unwritten.removeFirst()
            histories[end.job] = try JobHistory(of: end.job, in: state)
        }
    }

    /// Lets nobody wait for a run that will not come: its job is gone, paused, or another daemon's.
    func dismissWaiters() {
        for job in waiters.keys where !running.values.contains(where: { $0.run.job == job }) {
            guard machine.status(job).map({ $0.phase == .idle }) ?? true else { continue }
            let error = DaemonError(
                .stopped,
                text: "job \(job) does not run: it was paused or left out, or another daemon has it now",
                hint: "ask again"
            )
            for waiter in waiters.removeValue(forKey: job) ?? [] { waiter.resume(throwing: error) }
        }
    }

    private func log(_ record: RunRecord) {
        var metadata: Logger.Metadata = ["job": "\(record.job)", "outcome": "\(record.outcome.rawValue)"]
        if !record.summary.isEmpty { metadata["summary"] = "\(record.summary)" }
        if let error = record.error { metadata["reason"] = "\(error)" }
        switch record.outcome {
        case .failed: logger.error("run failed", metadata: metadata)
        case .different: logger.warning("run found differences", metadata: metadata)
        case .succeeded, .stopped, .running: logger.info("run ended", metadata: metadata)
        }
    }

    private func remember(_ due: Int64, of job: String) {
        do {
            try state.setLastDue(due, job: job)
        } catch {
            logger.error("a due time is not written down", metadata: ["job": "\(job)", "reason": "\(error)"])
        }
        leases?.handled(due, of: job)
    }
}

extension RunRecord {
    /// Takes over what a run came to.
    mutating func finish(_ result: RunResult, at time: Int64) {
        finished = time
        outcome = result.outcome
        revision = result.revision
        entries = result.entries
        bytes = result.bytes
        summary = result.summary
        error = result.error
    }
}

extension JobView.Totals {
    mutating func add(_ result: RunResult) {
        switch result.outcome {
        case .succeeded: succeeded += 1
        case .failed: failed += 1
        case .stopped: stopped += 1
        case .different: different += 1
        case .running: break
        }
        entries += result.entries
        bytes += result.bytes
    }
}
