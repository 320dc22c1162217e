/// How often and how patiently a connection is tried again.
public struct ReconnectPolicy: Sendable, Equatable {
    /// How often every server is tried before giving up.
    public enum Attempts: Sendable, Equatable {
        /// Until the connection is closed.
        case unlimited
        /// So many rounds over all servers; 0 means that a lost connection is not replaced.
        case rounds(Int)
    }

    /// The wait after the first round in which no server could be reached; it doubles from round to round.
    public var wait: Duration

    /// The longest wait.
    public var maximumWait: Duration

    /// The part of a wait that chance may take away, 0 to 1: so that clients of a dead server do not come at once.
    public var jitter: Double

    /// How often to try.
    public var attempts: Attempts

    /// Makes a policy; the defaults never give up.
    public init(
        wait: Duration = .milliseconds(250),
        maximumWait: Duration = .seconds(8),
        jitter: Double = 0.5,
        attempts: Attempts = .unlimited
    ) {
        self.wait = wait
        self.maximumWait = maximumWait
        self.jitter = min(max(jitter, 0), 1)
        self.attempts = attempts
    }

    /// The wait after a number of failed rounds, `random` being a number from 0 up to 1.
    public func delay(afterRound round: Int, random: Double) -> Duration {
        guard round > 0 else { return .zero }
        var delay = wait
        // 2^30 times any sensible wait is beyond any sensible maximum; this bounds the loop.
        for _ in 1..<max(2, min(round, 30)) where round > 1 && delay < maximumWait { delay = delay * 2 }
        return min(delay, maximumWait) * (1 - jitter * min(max(random, 0), 1))
    }
}
