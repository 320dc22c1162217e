/// Holds work back to a number of bytes a second, by making it wait; nothing is dropped.
struct Throttle {
    private var bucket: TokenBucket
    private let clock = ContinuousClock()
    private let started: ContinuousClock.Instant

    /// Nil without a limit.
    init?(bytesPerSecond: UInt64?) {
        guard let bytesPerSecond else { return nil }
        bucket = TokenBucket(bytesPerSecond: bytesPerSecond)
        started = clock.now
    }

    /// The most that should pass at once, so that work goes evenly.
    var portion: Int { max(1, Int(clamping: bucket.bytesPerSecond / 4)) }

    /// Lets bytes pass, then waits until the next may.
    mutating func pass(_ bytes: Int) async throws {
        let wait = bucket.take(bytes, at: started.duration(to: clock.now))
        guard wait > .zero else { return }
        try await Task.sleep(for: wait)
    }
}
