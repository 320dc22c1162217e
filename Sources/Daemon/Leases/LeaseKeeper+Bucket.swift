import Archive
import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient
import Synchronization

/// What a keeper does with the bucket.
extension LeaseKeeper {
    /// Works in this bucket from now on; leases of another life of it are over.
    func adopt(_ bucket: Bucket) {
        let generation = Timestamp(rfc3339: bucket.info.created)?.nanoseconds ?? 0
        let orphans = state.withLock { state in
            defer {
                state.bucket = bucket
                state.generation = generation
            }
            guard state.generation != nil, state.generation != generation else { return [Lease]() }
            state.table.forgetSeen()
            state.announced = nil
            state.reading?.cancel()
            return Array(state.table.held.values)
        }
        for lease in orphans { lose(lease, .bucketReplaced) }
    }

    /// Follows the bucket's entries until the task is cancelled.
    func follow() async {
        var wait = timing.retry
        while !Task.isCancelled {
            do {
                let bucket = try await source.open()
                adopt(bucket)
                var options = WatchOptions()
                options.start = .lastPerSubject
                options.patience = nil
                options.created = bucket.info.created
                let watch = try await bucket.watch(options)
                // It begins with all that the bucket holds, whose revisions may be lower than those known so far: a
                // server may lose what it has acknowledged.
                let reading = state.withLock { state in
                    state.table.forgetSeen()
                    state.isCurrent = false
                    let reading = Task { try await self.read(watch) }
                    state.reading = reading
                    return reading
                }
                wait = timing.retry
                let result = await withTaskCancellationHandler {
                    await reading.result
                } onCancel: {
                    reading.cancel()
                }
                await watch.stop()
                try result.get()
            } catch is CancellationError {
                // The daemon stops, or the bucket is another one.
            } catch {
                logger.warning("the bucket of leases cannot be followed", metadata: ["reason": "\(error)"])
                wait = min(wait * 2, timing.duration)
            }
            await pause(wait)
        }
    }

    private func read(_ watch: Watch) async throws {
        if await watch.initiallyPending == 0 { state.withLock { $0.isCurrent = true } }
        while true {
            guard let batch = try await watch.next(timeout: timing.duration) else {
                // What is pending is an estimate.
                state.withLock { $0.isCurrent = true }
                continue
            }
            let moment = now()
            state.withLock { state in
                batch.forEachEntry { entry in
                    let entry = Entry(entry)
                    let holder = entry.operation == .put ? LeaseHolder(entry.value) ?? .unknown : nil
                    state.table.saw(entry.key, entry.revision, holder, at: moment)
                }
                state.table.dropSilent(at: moment)
                if batch.isCaughtUp { state.isCurrent = true }
            }
        }
    }

    /// Ends the leases that were not renewed in time, and those of jobs that are not this daemon's any more.
    func dropLapsed() async {
        let moment = now()
        let (lapsed, unwanted) = state.withLock { state in
            let held = state.table.held.values
            return (
                held.filter { !$0.isValid(at: moment) },
                held.filter { !state.table.candidates.contains($0.job) }.map(\.job)
            )
        }
        for lease in lapsed { lose(lease, .lapsed) }
        for job in unwanted { await giveUp(job) }
    }

    /// Renews what is due, and says that this daemon is there.
    func renewAll() async {
        let moment = now()
        let (due, isAnnouncing) = state.withLock { state in
            let isSilent = state.announced.map { $0.duration(to: moment) >= timing.renewal } ?? true
            return (
                state.table.held.values.filter { $0.isDue(at: moment) && $0.isValid(at: moment) },
                isSilent && !state.isLeaving
            )
        }
        await withTaskGroup(of: Void.self) { group in
            for lease in due { group.addTask { await self.renew(lease) } }
            if isAnnouncing { group.addTask { await self.announce() } }
        }
    }

    private func announce() async {
        guard let bucket = state.withLock({ $0.bucket }) else { return }
        let asked = now()
        var card = me
        card.jobs = candidates.sorted()
        do {
            try await bucket.put(LeaseKey.daemon(me), try card.value())
            state.withLock { state in
                state.announced = asked
                state.firstAnnounced = state.firstAnnounced ?? asked
                state.trouble = nil
            }
        } catch let error as JetStreamError where error.code == .streamNotFound {
            // The server restarts, or the bucket was deleted: then it is made again.
            do {
                adopt(try await source.open())
            } catch {
                say("\(error)")
            }
        } catch {
            say("\(error)")
        }
    }

    /// Says once why this daemon cannot say that it is there.
    private func say(_ trouble: String) {
        let isNew = state.withLock { state in
            defer { state.trouble = trouble }
            return state.trouble == nil
        }
        guard isNew, !Task.isCancelled else { return }
        logger.warning("the bucket of leases does not take this daemon's word", metadata: ["reason": "\(trouble)"])
    }

    private func renew(_ lease: Lease) async {
        guard let bucket = state.withLock({ $0.bucket }) else { return }
        let asked = now()
        do {
            let revision = try await bucket.put(
                LeaseKey.job(lease.job),
                try lease.holder.value(),
                expected: lease.revision
            )
            let isInTime = lease.renewed(
                revision,
                validUntil: asked + timing.validity,
                renewAt: asked + timing.renewal
            )
            if !isInTime { lose(lease, .lapsed) }
        } catch let error as KeyValueError where error.code == .wrongRevision {
            await examine(lease, bucket)
        } catch {
            lease.postpone(to: now() + timing.retry)
            logger.debug("lease not renewed", metadata: ["job": "\(lease.job)", "reason": "\(error)"])
        }
    }

    /// Finds out why a lease's entry has another revision: the answer to a renewal may have been lost.
    private func examine(_ lease: Lease, _ bucket: Bucket) async {
        do {
            guard let entry = try await bucket.get(LeaseKey.job(lease.job)) else {
                lose(lease, .gone)
                return
            }
            let holder = LeaseHolder(entry.value) ?? .unknown
            guard holder.instance == me.instance else {
                lose(lease, .taken(by: holder.daemon))
                return
            }
            lease.found(entry.revision)
            lease.postpone(to: now())
        } catch {
            lease.postpone(to: now() + timing.retry)
        }
    }

    /// Tries for what is free.
    func takeFree() async {
        let moment = now()
        let attempts = state.withLock { state -> [LeaseTable.Attempt] in
            guard state.bucket?.context.connection.isConnected == true else { return [] }
            // Who has just come waits until the others know it, and it them.
            let isKnown = state.firstAnnounced.map { $0.duration(to: moment) >= timing.spread } ?? false
            guard state.isCurrent, isKnown, !state.isLeaving else { return [] }
            var random = SystemRandomNumberGenerator()
            return state.table.attempts(at: moment, using: &random)
        }
        for attempt in attempts where !Task.isCancelled {
            switch attempt {
            case .take(let job): await take(job)
            case .clear(let job, let revision): await clear(job, revision)
            }
        }
    }

    private func take(_ job: String) async {
        guard let (bucket, generation) = state.withLock({ state in state.bucket.map { ($0, state.generation ?? 0) } })
        else { return }
        let key = LeaseKey.job(job)
        let holder = me.takingNow()
        let asked = now()
        do {
            let revision = try await bucket.create(key, try holder.value())
            let lease = Lease(
                job: job,
                fencing: FencingToken(scope: "\(bucket.name)/\(job)", generation: generation, value: revision),
                holder: holder,
                validUntil: asked + timing.validity,
                renewAt: asked + timing.renewal,
                now: now
            )
            let isWanted = state.withLock { state in
                state.table.saw(key, revision, holder, at: asked)
                guard state.table.candidates.contains(job), !state.isLeaving, state.generation == generation,
                    lease.isValid
                else { return false }
                state.table.insert(lease)
                return true
            }
            guard isWanted else { return await clear(job, revision) }
            logger.info("lease gained", metadata: ["job": "\(job)", "token": "\(revision)"])
            continuation.yield(.gained(job: job, token: revision))
        } catch {
            // Somebody was quicker, or it is not known: then what was seen tells, or the lease expires.
            let moment = now()
            let isTaken = (error as? KeyValueError).map { [.keyExists, .wrongRevision].contains($0.code) } ?? false
            state.withLock { $0.table.putOff(job, to: moment + (isTaken ? timing.spread : timing.retry)) }
            guard !isTaken else { return }
            logger.debug("lease not taken", metadata: ["job": "\(job)", "reason": "\(error)"])
        }
    }

    /// Deletes an entry of ours, from this revision on; what is somebody else's stays.
    func clear(_ job: String, _ revision: Revision) async {
        guard let bucket = state.withLock({ $0.bucket }) else { return }
        let key = LeaseKey.job(job)
        var revision = revision
        do {
            while true {
                do {
                    let marker = try await bucket.delete(key, expected: revision)
                    let moment = now()
                    return state.withLock { $0.table.saw(key, marker, nil, at: moment) }
                } catch let error as KeyValueError where error.code == .wrongRevision {
                    state.withLock { $0.table.forget(key, revision) }
                    // A renewal may have come in between.
                    guard let entry = try await bucket.get(key), entry.revision > revision,
                        LeaseHolder(entry.value)?.instance == me.instance
                    else { return }
                    revision = entry.revision
                }
            }
        } catch {
            let moment = now()
            state.withLock { $0.table.putOff(job, to: moment + timing.retry) }
            logger.debug("lease not given up", metadata: ["job": "\(job)", "reason": "\(error)"])
        }
    }
}
