public import Archive
public import KVModel

/// How far a capture has come, for a progress line.
public struct CaptureProgress: Sendable, Hashable {
    /// Entries received so far.
    public var entries: UInt64 = 0
    /// Bytes of keys, headers and values received so far.
    public var bytes: UInt64 = 0
    /// Entries still to come, by the server's estimate.
    public var pending: UInt64 = 0
    /// The last revision that is safely in the archive.
    public var committedRevision: Revision = 0
    /// The newest revision at which the archive holds the bucket exactly.
    public var consistentRevision: Revision?
    /// Whether this capture has come to a consistent revision itself.
    ///
    /// Before that, `consistentRevision` is what an earlier capture came to.
    public var isProved = false
    /// How often reading had to be resumed after a gap, a lost connection or a restart.
    public var interruptions = 0
}

/// What a capture did, and what the archive proves after it.
public struct CaptureReport: Sendable {
    /// How it ended.
    public enum Outcome: Sendable, Equatable {
        /// At a consistent revision.
        case complete
        /// Stopped by a signal, at a checkpoint.
        case stopped
        /// The bucket was written to so fast that no consistent revision could be found in the time allowed; the
        /// archive is complete up to its last consistent revision.
        case noConsistentRevision
    }

    /// How it ended.
    public var outcome: Outcome
    /// How it began.
    public var plan: CapturePlan
    /// The bucket.
    public var bucket: BucketName
    /// The cluster's name.
    public var cluster: String
    /// The bucket's creation time: its incarnation.
    public var created: String
    /// The keys that are captured; every key if there are no patterns.
    public var filter: [KeyPattern]
    /// The revision that reading began behind.
    public var fromRevision: Revision
    /// The last revision safely in the archive.
    public var resumeRevision: Revision
    /// The newest revision at which the archive holds the bucket exactly.
    public var consistentRevision: Revision?
    /// Entries received.
    public var entries: UInt64
    /// Bytes of keys, headers and values received.
    public var bytes: UInt64
    /// Segments written.
    public var segments: Int
    /// How often reading had to be resumed.
    public var interruptions: Int
    /// How many entries the server said the bucket held at the consistent revision.
    public var sourceMessages: UInt64
    /// Entries found to be gone from the source without a message saying so.
    public var removals: Int
    /// Whether the bucket counts other entries at the consistent revision than the archive does, and nothing explains it.
    public var isUnexplained: Bool
    /// What the archive holds at the consistent revision, all in all; nil unless a capture came to its end.
    public var totals: StateTotals?
    /// The same, entry by entry, where it had to be found: where little has changed its totals are reckoned without.
    ///
    /// Nil too after a capture that follows.
    public var state: BucketState?
    /// A digest of every entry that the archive holds, if this capture wrote all of them: of the state, if that holds
    /// them all.
    public var digest: EntryDigest?
    /// How long it took.
    public var duration: Duration
}
