import Synchronization

/// A number of bytes a second that several pieces of work have in common.
///
/// Whatever moves entries in a task for which it is `current` holds to it, beside the limit of its own.
public final class SharedRate: Sendable {
    /// The limits that the present task shares with others.
    @TaskLocal public static var current: [SharedRate] = []

    /// How many bytes a second.
    public let bytesPerSecond: UInt64
    private let bucket: Mutex<TokenBucket>
    private let clock = ContinuousClock()
    private let started: ContinuousClock.Instant

    /// A limit that nobody has used yet.
    public init(bytesPerSecond: UInt64) {
        self.bytesPerSecond = max(1, bytesPerSecond)
        bucket = Mutex(TokenBucket(bytesPerSecond: bytesPerSecond))
        started = clock.now
    }

    /// Takes bytes, and says how long whoever took them has to wait.
    func take(_ bytes: Int) -> Duration {
        let now = started.duration(to: clock.now)
        return bucket.withLock { $0.take(bytes, at: now) }
    }
}
