/// How long to wait before something is tried again.
///
/// Longer from time to time, and by chance, so that those who failed together do not try together. Pure: chance is an
/// argument.
struct Backoff: Sendable, Hashable {
    /// The longest wait after the first failure.
    let first: Duration
    /// The longest wait of all.
    let most: Duration

    /// The wait after a number of failures in a row, chance being a number from 0 up to 1.
    func delay(after failures: Int, random: Double) -> Duration {
        guard failures > 0 else { return .zero }
        var limit = first
        // Twenty doublings of any sensible wait are beyond any sensible limit; this bounds the loop.
        for _ in 1..<max(1, min(failures, 20)) where limit < most { limit = limit * 2 }
        return min(limit, most) * min(max(random, 0), 1)
    }
}
