public import Archive
public import KVModel
public import StreamSnapshot

/// What the import of a `nats stream backup` folder did.
public struct SnapshotImportReport: Sendable {
    /// The incarnation that holds the backup now.
    public var incarnation: Incarnation
    /// The form that the backup had.
    public var format: SnapshotFormat
    /// The bucket's last revision: the consistent revision of the archive.
    public var revision: Revision
    /// Entries that the backup holds.
    public var entries: UInt64
    /// Entries written by this run.
    public var written: UInt64
    /// Entries that were there already, from a run that was interrupted, or from one that had ended.
    public var resumed: UInt64
    /// Bytes of keys, header blocks and values written.
    public var bytes: UInt64
    /// Entries that the server says it had but that the backup does not hold: it was made while the bucket was
    /// written to.
    public var missing: UInt64
    /// How long it took.
    public var duration: Duration
}
