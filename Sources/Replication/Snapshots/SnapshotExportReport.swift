public import Archive
public import KVModel

/// What the export into a `nats stream backup` folder did.
public struct SnapshotExportReport: Sendable {
    /// Where the entries came from.
    public var incarnation: Incarnation
    /// The bucket that the folder restores.
    public var bucket: BucketName
    /// The revision that was exported: the bucket's last one after a restore.
    public var revision: Revision
    /// Entries written.
    public var entries: UInt64
    /// The snapshot's size in bytes.
    public var bytes: UInt64
    /// The oldest server that takes it, such as `2.9`.
    public var oldestServer: String
    /// Settings of the archived configuration that could not go along.
    public var leftOut: [String]
    /// How long it took.
    public var duration: Duration
}
