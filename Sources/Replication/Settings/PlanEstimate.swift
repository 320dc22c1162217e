/// How long a plan may take: an estimate from counts and sizes, from rates that a small machine reaches.
///
/// Servers, disks and networks differ by a factor of ten either way: it says minutes or hours, not which minute.
public struct PlanEstimate: Sendable, Hashable {
    /// How long entries are written.
    public var writing: Duration
    /// How long what was written is compared, entry by entry; nil if it is not.
    public var comparing: Duration?
    /// For how long a bucket that is changed takes no writes; nil where no bucket in use is touched.
    public var pause: Duration?

    /// Nothing is written and nothing stands still.
    static let nothing = Self(writing: .zero, comparing: nil, pause: .zero)

    /// An estimate.
    ///
    /// - Parameters:
    ///   - method: how entries are written.
    ///   - entries: how many.
    ///   - bytes: how large they are.
    ///   - replicas: on how many servers they are kept.
    ///   - verifies: whether they are compared afterwards.
    ///   - bytesPerSecond: the limit that was set, if any.
    ///   - interrupts: whether a bucket in use is recreated.
    init(
        _ method: SettingsPlan.Method,
        entries: UInt64,
        bytes: UInt64,
        replicas: Int64,
        verifies: Bool,
        bytesPerSecond: UInt64?,
        interrupts: Bool
    ) {
        let isExact = method == .exact
        let rate = (entries: isExact ? 300_000.0 : 80_000.0, bytes: isExact ? 100e6 : 50e6)
        var seconds = max(Double(entries) / rate.entries, Double(bytes) / rate.bytes)
        if replicas > 1 { seconds *= 1.5 }
        if let bytesPerSecond { seconds = max(seconds, Double(bytes) / Double(max(1, bytesPerSecond))) }
        writing = Self.duration(0.1 + seconds)
        comparing = verifies ? Self.duration(0.1 + max(Double(entries) / 200_000, Double(bytes) / 100e6)) : nil
        // Fencing, the final revision, deleting and creating are a few requests each.
        pause = interrupts ? writing + (comparing ?? .zero) + .milliseconds(500) : nil
    }

    private init(writing: Duration, comparing: Duration?, pause: Duration?) {
        self.writing = writing
        self.comparing = comparing
        self.pause = pause
    }

    /// Not more exact than it is: to a tenth of a second, and beyond ten to a second.
    private static func duration(_ seconds: Double) -> Duration {
        let bounded = min(seconds, 1e9)
        return .milliseconds(
            bounded < 10 ? Int64((bounded * 10).rounded(.up)) * 100 : Int64(bounded.rounded(.up)) * 1000
        )
    }
}
