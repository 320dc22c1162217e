import KVModel

/// What a keeper knows of the leases: its own, those of others, and when to try for which.
///
/// Pure: time and chance are arguments.
struct LeaseTable {
    typealias Instant = ContinuousClock.Instant

    /// The newest entry of a key, as the bucket was followed.
    struct Seen {
        var revision: Revision
        /// Who wrote it; nil for a marker.
        var holder: LeaseHolder?
        /// When it arrived here.
        var at: Instant
    }

    /// What is to be done for a job.
    enum Attempt: Equatable {
        /// Take its lease.
        case take(String)
        /// Give up an entry of ours that we have no lease by: an answer did not come, or the lease lapsed.
        case clear(String, Revision)
    }

    let timing: LeaseTiming
    let me: LeaseHolder
    /// The jobs that this daemon would run.
    var candidates: Set<String> = []
    /// The leases that it has.
    private(set) var held: [String: Lease] = [:]
    private var seen: [Key: Seen] = [:]
    /// Not to be tried for before.
    private var notBefore: [String: Instant] = [:]
    /// Jobs that were already left to others once since they became free.
    private var wasRestrained: Set<String> = []

    init(timing: LeaseTiming, me: LeaseHolder) {
        self.timing = timing
        self.me = me
    }

    /// Takes note of an entry of the bucket; entries that arrive twice or late change nothing.
    mutating func saw(_ key: Key, _ revision: Revision, _ holder: LeaseHolder?, at moment: Instant) {
        if let known = seen[key], known.revision >= revision { return }
        seen[key] = Seen(revision: revision, holder: holder, at: moment)
    }

    /// Forgets what was seen: the bucket is another one.
    mutating func forgetSeen() {
        seen = [:]
    }

    /// Forgets an entry that the bucket does not hold any more.
    mutating func forget(_ key: Key, _ revision: Revision) {
        if seen[key]?.revision == revision { seen[key] = nil }
    }

    /// Drops what nobody has renewed for so long that it cannot be there.
    mutating func dropSilent(at moment: Instant) {
        seen = seen.filter { $0.value.at.duration(to: moment) < timing.duration * 3 }
    }

    mutating func insert(_ lease: Lease) {
        held[lease.job] = lease
        wasRestrained.remove(lease.job)
        notBefore[lease.job] = nil
    }

    /// Takes a lease out, if it is still the one that is held; it is over then.
    mutating func remove(_ lease: Lease) -> Bool {
        lease.end()
        guard held[lease.job] === lease else { return false }
        held[lease.job] = nil
        return true
    }

    /// Does not try for a job for a while.
    mutating func putOff(_ job: String, to moment: Instant) {
        notBefore[job] = moment
    }

    /// The daemons that are there, this one among them.
    func daemons(at moment: Instant) -> [LeaseHolder] {
        let others = seen.filter { key, seen in
            key.bytes.starts(with: Array("daemon.".utf8)) && isAlive(seen, at: moment)
        }
        let found = others.values.compactMap(\.holder).filter { $0.instance != me.instance }
        return (found + [me]).sorted { ($0.daemon, $0.instance) < ($1.daemon, $1.instance) }
    }

    /// Who holds which job.
    func holders(at moment: Instant) -> [String: LeaseHolder] {
        var result: [String: LeaseHolder] = [:]
        for (key, seen) in seen where isAlive(seen, at: moment) {
            guard let job = LeaseKey.jobName(key), let holder = seen.holder, holder.instance != me.instance else {
                continue
            }
            result[job] = holder
        }
        for (job, lease) in held where lease.isValid(at: moment) { result[job] = me }
        return result
    }

    private func isAlive(_ seen: Seen, at moment: Instant) -> Bool {
        seen.holder != nil && seen.at.duration(to: moment) < timing.duration
    }

    /// How many leases this daemon has if each job is shared alike by those that would run it, rounded up.
    func share(at moment: Instant) -> Int {
        let others = daemons(at: moment).filter { $0.instance != me.instance }.map { $0.jobs.map(Set.init) }
        let sum = candidates.reduce(0.0) { sum, job in
            sum + 1 / Double(1 + others.count { $0?.contains(job) ?? true })
        }
        // Thirds of three do not always make one.
        return Int((sum - 1e-6).rounded(.up))
    }

    /// What to try now, in random order.
    ///
    /// A job that has become free is first given a random moment within `spread`, so that several daemons share what
    /// becomes free together; a daemon that has its share by then leaves it to others for a while, once.
    mutating func attempts(at moment: Instant, using random: inout some RandomNumberGenerator) -> [Attempt] {
        var result: [Attempt] = []
        let share = share(at: moment)
        for job in candidates.subtracting(held.keys).shuffled(using: &random) {
            let known = seen[LeaseKey.job(job)]
            if let known, let holder = known.holder {
                if holder.instance == me.instance {
                    if isPutOff(job, at: moment) { continue }
                    result.append(.clear(job, known.revision))
                    continue
                }
                guard known.at.duration(to: moment) >= timing.silence else {
                    notBefore[job] = nil
                    wasRestrained.remove(job)
                    continue
                }
            }
            guard let planned = notBefore[job] else {
                notBefore[job] = moment + timing.spread * Double.random(in: 0..<1, using: &random)
                continue
            }
            guard planned <= moment else { continue }
            if held.count + result.count >= share, wasRestrained.insert(job).inserted {
                notBefore[job] = moment + timing.restraint
                continue
            }
            result.append(.take(job))
        }
        return result
    }

    private func isPutOff(_ job: String, at moment: Instant) -> Bool {
        notBefore[job].map { $0 > moment } ?? false
    }
}
