/// Says when how many bytes may pass: so many a second on average, and a little more at once.
///
/// Pure, time is an argument.
/// What is taken beyond what is there becomes a debt, and the answer is how long to wait until it is paid. So pieces of
/// any size pass, each in one go, and the average holds.
public struct TokenBucket: Sendable, Hashable {
    /// How many bytes a second.
    public let bytesPerSecond: UInt64
    /// How many bytes may pass at once after a rest: what a tenth of a second brings.
    public let capacity: Double
    private var level: Double
    private var time: Duration

    /// A full bucket at a time, which counts from any moment.
    public init(bytesPerSecond: UInt64, at time: Duration = .zero) {
        self.bytesPerSecond = max(1, bytesPerSecond)
        capacity = Double(self.bytesPerSecond) / 10
        level = capacity
        self.time = time
    }

    /// Takes bytes and says how long to wait before anything else.
    public mutating func take(_ bytes: Int, at now: Duration) -> Duration {
        if now > time {
            level = min(capacity, level + Double(bytesPerSecond) * (now - time).inSeconds)
            time = now
        }
        level -= Double(bytes)
        return level < 0 ? .seconds(min(-level / Double(bytesPerSecond), 1e9)) : .zero
    }
}

extension Duration {
    fileprivate var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
