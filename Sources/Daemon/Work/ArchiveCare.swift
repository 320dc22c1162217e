import KVModel

/// What came of looking after the archive of a backup that follows: how its buckets compare with it, and its pruning.
struct ArchiveCare: Sendable, Hashable {
    /// How a bucket compares with what the archive says of it.
    enum Comparison: Sendable, Hashable {
        /// They are equal, or there is nothing yet to compare.
        case equal
        /// They differ, like this.
        case different(String)
        /// They could not be compared, because of this.
        case failed(String)
    }

    /// The buckets that are there; none if they are not to be compared.
    var comparisons: [BucketName: Comparison] = [:]
    /// Why the archive was not pruned; nil if it was, or is not to be.
    var pruningFailure: String?
}
