public import Archive
public import KVModel

/// What of an archive to write where, and how.
public struct RestoreOptions: Sendable {
    /// The way entries are written.
    public enum Mode: String, Sendable, CaseIterable {
        /// The best way that the server and the target allow.
        case auto
        /// The same revisions and times, through the server's restore request.
        case exact
        /// Entries are published in order and get new revisions.
        case replay
    }

    /// The bucket in the archive; nil if the archive holds one only.
    public var bucket: BucketName?
    /// The cluster it was captured from; nil if the archive knows the bucket from one only.
    public var cluster: String?
    /// The creation time of the life to restore (RFC 3339), of a bucket that was recreated; nil for the newest.
    public var created: String?
    /// The point to restore.
    public var point: ArchivePoint = .newest
    /// The target's name; nil for the bucket's own.
    public var newName: BucketName?
    /// The way to write.
    public var mode: Mode = .auto
    /// Changed settings, each `FIELD=VALUE`.
    public var settings: [String] = []
    /// Keys to restore; empty for all.
    public var filter: [KeyPattern] = []
    /// The names that keys get.
    public var mapping = KeyMapping.identity
    /// Which of a key's entries to write.
    public var history: HistoryMode = .bucket
    /// Whether to write into a bucket that exists: an empty one is filled, any other merged into.
    public var intoExisting = false
    /// Whether a merge writes over what is newer in the bucket.
    public var overwrites = false
    /// Whether to delete a bucket that exists first.
    public var replaces = false
    /// Whether a migration's journal says that the bucket's name is this restore's.
    ///
    /// Then other writers are kept out of a replay as well (servers from 2.10 on), and the name is taken back from a
    /// restore that was broken off.
    public var isPartOfMigration = false
    /// The archive to make of a bucket that is deleted first; nil to delete it without one.
    public var safetyBackup: SafetyBackup.Place?
    /// How many bytes a second to write; nil for no limit.
    public var bytesPerSecond: UInt64?
    /// Whether to compare what was written with the archive.
    public var verifies = true
    /// For how long to try to reach a lost server again; nil for ever.
    public var patience: Duration? = .seconds(120)

    /// The newest consistent point of the archive's only bucket, under its own name, verified.
    public init() {}
}
