import TestSupport

/// Seeded random moments in the life of a process at which to kill it.
///
/// How long that life is, an undisturbed run says first; a run that ends before its kill says it better, as it does when
/// the machine was busy during the first. There are more rounds than asked for while no kill has hit what the test is
/// about.
struct KillMoments {
    private var random: SeededGenerator
    private var whole: Double
    private let rounds: Int
    private var round = -1

    /// `rounds` kills of a process that takes `whole` seconds; many more with `scripts/test --long`.
    init(_ rounds: Int, of whole: Double, seed: UInt64) {
        self.rounds = isLongRun ? 50 : rounds
        self.whole = whole
        random = SeededGenerator(seed: seed)
    }

    /// The number of the next round; nil after the last.
    mutating func next(hits: Int) -> Int? {
        round += 1
        return round < rounds || hits == 0 && round < rounds * 5 ? round : nil
    }

    /// Waits for the next moment, and kills the process: the moment is what the test is about, not a condition.
    ///
    /// Answers its exit code; 137 if it was killed.
    mutating func kill(_ process: CisternProcess) async throws -> CisternProcess.Result {
        let clock = ContinuousClock()
        let start = clock.now
        let end = start.advanced(by: .seconds(Double.random(in: 0...1.05, using: &random) * whole))
        while clock.now < end, process.isRunning {
            try await Task.sleep(until: min(end, clock.now + .milliseconds(5)), clock: clock)
        }
        let lived = Self.seconds(start.duration(to: clock.now))
        process.kill()
        let result = try await process.waitForExit()
        if result.code != 137 { whole = min(whole, lived) }
        return result
    }

    /// How long something takes, in seconds.
    static func measure(_ work: () async throws -> some Sendable) async throws -> Double {
        try await seconds(ContinuousClock().measure { _ = try await work() })
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    }
}
