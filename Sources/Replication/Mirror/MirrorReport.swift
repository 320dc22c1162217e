public import KVModel

/// How far a mirror has come.
public struct MirrorProgress: Sendable, Hashable {
    /// What it does.
    public enum Phase: String, Sendable, Hashable {
        /// It has not caught up with the source yet.
        case syncing
        /// It has caught up, and follows.
        case live
    }

    /// What it does.
    public var phase = Phase.syncing
    /// Entries written to the target by this run.
    public var entries: UInt64 = 0
    /// Bytes of keys, headers and values of these.
    public var bytes: UInt64 = 0
    /// Entries of the source that the target does not have yet, by the server's estimate.
    public var lagEntries: UInt64 = 0
    /// How long ago the oldest of those that were received was written.
    public var lagTime = Duration.zero
    /// Every change of the source up to this revision is in the target.
    public var resumeRevision: Revision = 0
    /// How often reading or writing had to be resumed after a lost connection, a restart or a change of leader.
    public var interruptions = 0
    /// Entries of others found in the target where the mirror writes.
    public var foreignChanges: UInt64 = 0

    /// Nothing yet.
    public init() {}
}

/// What a run of a mirror did.
public struct MirrorReport: Sendable, Hashable {
    /// How it ended.
    public enum Outcome: String, Sendable, Hashable {
        /// It had caught up with the source.
        case caughtUp
        /// It has what the source held when it began, but found no moment at which there was no more.
        case notCaughtUp
        /// It was stopped, at a checkpoint.
        case stopped
    }

    /// How it ended.
    public var outcome: Outcome
    /// The bucket that was mirrored.
    public var source: BucketName
    /// Its cluster.
    public var sourceCluster: String
    /// The bucket that was written to.
    public var target: BucketName
    /// Its cluster.
    public var targetCluster: String
    /// Whether this run made the target.
    public var isTargetNew = false
    /// The revision that reading began behind.
    public var fromRevision: Revision = 0
    /// Every change of the source up to this revision is in the target.
    public var resumeRevision: Revision = 0
    /// Entries written to the target.
    public var written: UInt64 = 0
    /// Bytes of keys, headers and values of these.
    public var bytes: UInt64 = 0
    /// Entries that the target had already.
    public var skipped: UInt64 = 0
    /// Entries that are not for the target: deletes without `deletes`, and what came from the target itself.
    public var filtered: UInt64 = 0
    /// Entries left out because their time was over.
    public var expired: UInt64 = 0
    /// Entries left out because newer ones of their key, received meanwhile, would push them out of the target at once.
    public var superseded: UInt64 = 0
    /// Whether the target was brought to equality with another life of the source.
    public var resynced = false
    /// Keys of the target that were purged then, because that life does not have them.
    public var removed: UInt64 = 0
    /// Entries of others found in the target where the mirror writes.
    public var foreignChanges: UInt64 = 0
    /// How often reading or writing had to be resumed.
    public var interruptions = 0
    /// How long it took.
    public var duration = Duration.zero

    /// A run between two buckets that did nothing yet.
    public init(
        outcome: Outcome,
        source: BucketName,
        sourceCluster: String,
        target: BucketName,
        targetCluster: String
    ) {
        self.outcome = outcome
        self.source = source
        self.sourceCluster = sourceCluster
        self.target = target
        self.targetCluster = targetCluster
    }
}
