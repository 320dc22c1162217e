public import KVModel

/// What a watch shows, and from where.
public struct KeyWatchOptions: Sendable {
    /// Where a watch begins.
    public enum Start: Sendable, Hashable {
        /// At the newest entry of each key.
        case newest
        /// At the oldest entry that the bucket holds.
        case history
        /// At what is written from now on.
        case updates
        /// At a revision, or the first one behind it.
        case revision(Revision)
    }

    /// Where to begin.
    public var start: Start
    /// Whether to leave out the markers of deleted, purged and expired keys.
    public var ignoresDeletes: Bool
    /// Whether the server leaves out values; `KeyValueEntry.size` says how large they are.
    public var withoutValues: Bool
    /// How many bytes may wait to be read, 256 KiB at least.
    ///
    /// A reader that is slower than the bucket is written to makes the watch stop at this point and go on behind it,
    /// without a gap, when that was read: other users of the connection do not notice.
    public var capacity = 8 << 20
    /// For how long to try to get a broken watch going again before it fails; nil for ever.
    public var patience: Duration? = .seconds(120)

    /// The newest entry of each key, then every change.
    public init(start: Start = .newest, ignoresDeletes: Bool = false, withoutValues: Bool = false) {
        self.start = start
        self.ignoresDeletes = ignoresDeletes
        self.withoutValues = withoutValues
    }
}
