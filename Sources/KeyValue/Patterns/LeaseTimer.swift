/// When a lease is to be renewed, and from when on it counts as lost: the holder's side of a lease.
///
/// All times are of this machine's monotonic clock, and reckoned from before a request was sent: whatever happens to
/// the answer, the server began to count later. What is left to the server's own time, a sixth of the lease, is for
/// clocks that do not go alike. Pure: time and chance are arguments.
struct LeaseTimer: Sendable, Hashable {
    typealias Instant = ContinuousClock.Instant

    /// What is to be done.
    enum Step: Sendable, Hashable {
        /// Nothing before this moment.
        case wait(until: Instant)
        /// Renew it now.
        case renew
        /// It is over: somebody else may have it.
        case over
    }

    /// How long the server keeps it at least.
    let lease: Duration
    /// From when on it does not count as held.
    private(set) var validUntil: Instant
    /// When to renew it.
    private(set) var renewAt: Instant

    /// A lease that was granted by a request sent at a moment.
    init(lease: Duration, askedAt moment: Instant) {
        self.lease = lease
        validUntil = moment + Self.validity(of: lease)
        renewAt = moment + lease / 3
    }

    /// For how long a holder relies on it.
    static func validity(of lease: Duration) -> Duration { lease * 5 / 6 }

    /// How long a request about it may take: two fit between the first renewal and the end.
    static func requestTimeout(of lease: Duration) -> Duration { lease / 4 }

    /// Whether it is held at a moment.
    func isValid(at moment: Instant) -> Bool { moment < validUntil }

    /// What is to be done at a moment.
    func step(at moment: Instant) -> Step {
        guard isValid(at: moment) else { return .over }
        return moment < renewAt ? .wait(until: min(renewAt, validUntil)) : .renew
    }

    /// Takes note of a renewal that was asked for at one moment and known to be granted at another; answers false if
    /// that was too late: what is over stays over.
    mutating func renewed(askedAt asked: Instant, at moment: Instant) -> Bool {
        guard isValid(at: moment) else { return false }
        // Answers may overtake each other.
        validUntil = max(validUntil, asked + Self.validity(of: lease))
        renewAt = max(renewAt, asked + lease / 3)
        return true
    }

    /// Takes note of a renewal that failed: it is tried again soon, at a moment that chance (0 up to 1) helps choose.
    mutating func failed(at moment: Instant, random: Double) {
        renewAt = moment + lease / 30 * (1 + min(max(random, 0), 1))
    }

    /// Has it renewed at once.
    mutating func hurry(at moment: Instant) {
        renewAt = min(renewAt, moment)
    }
}
