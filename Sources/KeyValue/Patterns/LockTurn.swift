/// When somebody who waits for a lock should try to take it: the waiter's side of a lease.
///
/// A lease that was renewed may last for its whole time from then on; one that seems to be over is tried for again and
/// again, because the server's clock decides. Pure: time is an argument.
struct LockTurn: Sendable, Hashable {
    typealias Instant = ContinuousClock.Instant

    /// How long the server keeps an entry that is not renewed.
    let kept: Duration
    /// When to try next, if nothing happens until then.
    private(set) var due: Instant

    /// Somebody else was found to hold the lock.
    init(kept: Duration, at moment: Instant) {
        self.kept = kept
        due = moment + kept
    }

    /// How long to wait between two attempts at a lease that should be over.
    var interval: Duration { min(.seconds(1), max(.milliseconds(50), kept / 20)) }

    /// Whether to try now.
    func isDue(at moment: Instant) -> Bool { moment >= due }

    /// Takes note of an entry of the holder that arrives at a moment and is of an age.
    mutating func saw(age: Duration, at moment: Instant) {
        due = moment + max(.zero, kept - age)
    }

    /// Takes note of an attempt in vain.
    mutating func tried(at moment: Instant) {
        due = max(due, moment + interval)
    }
}
