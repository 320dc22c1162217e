/// How far the import or export of a `nats stream backup` folder has come, for a progress line.
public struct SnapshotProgress: Sendable, Hashable {
    /// What is being done.
    public enum Phase: String, Sendable, Hashable {
        /// The backup is read through before anything of it is taken.
        case checking
        /// Entries are written.
        case writing
    }

    /// What is being done.
    public var phase = Phase.writing
    /// Entries done.
    public var entries: UInt64 = 0
    /// Entries there are to do, as far as that is known.
    public var total: UInt64 = 0
    /// Bytes of the snapshot read or written.
    public var bytes: UInt64 = 0
}
