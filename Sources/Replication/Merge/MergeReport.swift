public import KVModel

/// What a merge did, or would do, key by key.
public struct MergeReport: Sendable, Hashable {
    /// A key whose entry in the bucket is newer than the archived one.
    public struct Newer: Sendable, Hashable {
        /// The key, as the bucket has it.
        public var key: Key
        /// The archived revision.
        public var archivedRevision: Revision
        /// When the archived entry was written.
        public var archivedTime: Timestamp
        /// The bucket's revision.
        public var revision: Revision
        /// When the bucket's entry was written.
        public var time: Timestamp
        /// Whether it is a delete.
        public var isDeleted: Bool
    }

    /// Keys whose newest archived entry was looked at.
    public var keys: UInt64 = 0
    /// Keys that got the archived value.
    public var written: UInt64 = 0
    /// Keys that were deleted, because the archive's newest entry of them is a delete.
    public var deleted: UInt64 = 0
    /// Of all these, keys that had something newer, which was written over.
    public var overwritten: UInt64 = 0
    /// Keys that are the same on both sides.
    public var equal: UInt64 = 0
    /// Keys that have something newer in the bucket, which stays.
    public var kept: UInt64 = 0
    /// The first of the keys that have something newer.
    public var examples: [Newer] = []
    /// Keys whose archived value is left out because its time is over.
    public var expired: UInt64 = 0
    /// Writes that others came before; these keys were looked at again.
    public var contested: UInt64 = 0

    /// Nothing yet.
    public init() {}

    static let exampleLimit = 10

    mutating func addExample(_ key: Key, _ source: MergeEntry, _ target: MergeEntry) {
        guard examples.count < Self.exampleLimit else { return }
        examples.append(
            Newer(
                key: key,
                archivedRevision: source.revision,
                archivedTime: source.origin.time,
                revision: target.revision,
                time: target.origin.time,
                isDeleted: !target.isPut
            )
        )
    }
}
