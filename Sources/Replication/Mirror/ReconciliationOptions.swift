public import KVModel

/// What of a mirror's two buckets to compare, and whether to repair the target.
public struct ReconciliationOptions: Sendable {
    /// The keys that are mirrored, by the names that they have in the source; empty for all.
    public var filter: [KeyPattern] = []
    /// The names that keys get in the target.
    public var mapping = KeyMapping.identity
    /// Whether deletes and purges travel; if not, what the source does not have any more may stay in the target.
    public var deletes = true
    /// Whether every entry must have the revision that it has in the source; then nothing can be repaired.
    public var preservesRevisions = false
    /// Whether what differs is repaired: the source wins.
    public var repairs = false
    /// How many bytes a second to read of each bucket; nil for no limit.
    public var bytesPerSecond: UInt64?
    /// For how long to try to reach a lost server again; nil for ever.
    public var patience: Duration? = .seconds(120)
    /// How long a difference has to last: what a mirror is just bringing is none.
    public var settleTime = Duration.seconds(1)
    /// For how long to wait for a mirror that is on its way to what differs.
    public var mirrorPatience = Duration.seconds(30)
    /// How many keys are held in memory at a time, about 60 bytes for each; a larger bucket is read several times.
    public var keysAtOnce = 1_000_000
    /// Up to which revision of the source the mirror that runs beside has brought everything; without it, what the mirror
    /// has written down of that counts.
    public var mirrorPosition: (@Sendable () -> Revision)?

    /// Everything under its own name, without repairs.
    public init() {}
}

/// How far a reconciliation has come.
public struct ReconciliationProgress: Sendable, Hashable {
    /// What it does.
    public enum Phase: String, Sendable, Hashable {
        /// It reads the source.
        case readingSource
        /// It reads the target.
        case readingTarget
        /// It looks again at keys that seemed to differ, and repairs them.
        case checking
    }

    /// What it does.
    public var phase: Phase
    /// Entries that were read, or keys that were looked at again, in this phase.
    public var entries: UInt64
    /// How many there are in this phase, if that is known.
    public var total: UInt64?
}
