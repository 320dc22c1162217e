public import KVModel

/// What of a bucket to mirror, and how.
public struct MirrorOptions: Sendable {
    /// What to do about a source that was deleted and created again, or whose server lost what was mirrored already.
    public enum OnRecreate: String, Sendable, Hashable, CaseIterable {
        /// The mirror stops and says so; the target stays as it is.
        case stop
        /// The target is made equal to what the source is now.
        case resync
    }

    /// The keys to mirror, by the names that they have in the source; empty for all.
    public var filter: [KeyPattern] = []
    /// The names that keys get in the target.
    public var mapping = KeyMapping.identity
    /// Whether deletes and purges travel; if not, the target keeps what the source deletes.
    public var deletes = true
    /// Whether to go on until stopped; if not, the mirror ends when it has caught up.
    public var follows = true
    /// What to do about a source that is not the one that was mirrored before.
    public var onRecreate = OnRecreate.stop
    /// Whether every entry must get the revision that it has in the source.
    public var preservesRevisions = false
    /// How many bytes a second to read; nil for no limit.
    public var bytesPerSecond: UInt64?
    /// Changed settings, each `FIELD=VALUE`, of a target that is made; one that exists keeps its own.
    public var settings: [String] = []
    /// For how long to try to reach a lost server again; nil for ever.
    public var patience: Duration?
    /// The revision of the lease that this run holds: none with a lower one writes after it; nil without a lease.
    public var fencingToken: UInt64?

    /// Everything under its own name, until stopped.
    public init() {}
}
