public import Archive
public import KVModel

/// The backup of a bucket that was made before the bucket was replaced.
///
/// It is an archive of its own, not a part of the one that is restored: there it would be the newest state of the
/// bucket, which a restore that is killed and run again, or the next restore, would take for the wanted one.
public struct SafetyBackup: Sendable, Hashable {
    /// Where such a backup goes.
    public struct Place: Sendable {
        /// The archive; there must be none yet.
        public var path: String
        /// What it is encrypted with; nil if it is not.
        public var key: ArchiveKey?

        /// A new archive.
        public init(path: String, key: ArchiveKey? = nil) {
            self.path = path
            self.key = key
        }
    }

    /// The archive.
    public var path: String
    /// The bucket.
    public var bucket: BucketName
    /// The tag on the state that the bucket had.
    public var tag: String
    /// The bucket's last revision.
    public var revision: Revision
    /// How many entries it held.
    public var entries: UInt64
}
