/// Holds work back to a number of bytes a second, by making it wait; nothing is dropped.
struct Throttle {
    private var bucket: TokenBucket?
    private let shared: [SharedRate]
    private let clock = ContinuousClock()
    private let started: ContinuousClock.Instant

    /// Nil without a limit, of its own or shared by the present task.
    init?(bytesPerSecond: UInt64?) {
        shared = SharedRate.current
        guard bytesPerSecond != nil || !shared.isEmpty else { return nil }
        bucket = bytesPerSecond.map { TokenBucket(bytesPerSecond: $0) }
        started = clock.now
    }

    /// The most that should pass at once, so that work goes evenly.
    var portion: Int {
        let slowest = shared.map(\.bytesPerSecond).min() ?? .max
        return max(1, Int(clamping: min(slowest, bucket?.bytesPerSecond ?? .max) / 4))
    }

    /// Lets bytes pass, then waits until the next may.
    mutating func pass(_ bytes: Int) async throws {
        let now = started.duration(to: clock.now)
        var wait = bucket?.take(bytes, at: now) ?? .zero
        for rate in shared { wait = max(wait, rate.take(bytes)) }
        guard wait > .zero else { return }
        try await Task.sleep(for: wait)
    }
}
