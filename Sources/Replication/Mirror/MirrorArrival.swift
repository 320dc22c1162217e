/// Says when a mirror has come to its source's end, and when it has looked for that in vain: pure.
///
/// What is pending is the server's estimate. It may be none while entries are still to come, and it does not change with
/// what expires in the source, or is purged there, before it is read: so the source is asked whether it holds more.
struct MirrorArrival: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// How a mirror stands.
    struct Standing: Sendable {
        /// How many entries are to come, by the estimate; nil before reading has begun.
        var pending: UInt64?
        /// Whether everything that was read is in the target.
        var isWindowEmpty: Bool
        /// Whether the target has what the source held at the beginning, and nearly all that came since.
        var isAbreast: Bool
        /// Whether the estimate is enough: nothing is said or done that depends on the end.
        var takesEstimate: Bool
        /// Whether a server is away that is waited for.
        var isTroubled: Bool
    }

    /// What is to be done.
    enum Step: Sendable, Hashable {
        case goOn
        /// It has caught up, as far as it has to be known.
        case arrived
        /// The source is to be asked whether it holds more than was read.
        case ask
        /// There was no end to be found for long.
        case giveUp
    }

    /// For how long to look for the end, while a source is written to all the time or does not send what it holds.
    private static let patience = Duration.seconds(20)
    /// After so long without an entry the estimate may be out of date.
    private static let silence = Duration.seconds(1)
    private static let askInterval = Duration.milliseconds(100)

    private var lastCame: Instant
    private var lastAsked: Instant?
    private var vainSince: Instant?
    private var abreastSince: Instant?

    /// A mirror that begins to read.
    init(at now: Instant) {
        lastCame = now
    }

    /// Something was read.
    mutating func came(at now: Instant) {
        lastCame = now
        vainSince = nil
    }

    /// The source said that it holds more than was read.
    mutating func sawMore(at now: Instant) {
        vainSince = vainSince ?? now
    }

    /// The source did not answer: its silence says nothing of its end.
    mutating func hadNoAnswer() {
        vainSince = nil
        abreastSince = nil
    }

    /// Decides.
    mutating func step(_ standing: Standing, at now: Instant) -> Step {
        let isNonePending = standing.pending == 0
        let isSilent = standing.pending != nil && lastCame.duration(to: now) >= Self.silence
        if standing.isAbreast { abreastSince = abreastSince ?? now }
        if standing.isWindowEmpty, isNonePending || isSilent {
            if isNonePending, standing.takesEstimate { return .arrived }
            let interval = isNonePending ? Self.askInterval : Self.silence
            if lastAsked.map({ $0.duration(to: now) >= interval }) ?? true {
                lastAsked = now
                return .ask
            }
        }
        guard !standing.isTroubled else { return .goOn }
        // Where more is pending it may come slowly: whoever reads loses patience by itself.
        let isVain = isNonePending && isLong(vainSince, now)
        return isVain || standing.isAbreast && isLong(abreastSince, now) ? .giveUp : .goOn
    }

    private func isLong(_ since: Instant?, _ now: Instant) -> Bool {
        since.map { $0.duration(to: now) > Self.patience } ?? false
    }
}
