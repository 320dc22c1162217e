public import KVModel
public import Schedule

/// One job of a configuration file.
public struct JobSettings: Sendable, Hashable {
    /// What a job does.
    public enum Work: Sendable, Hashable {
        /// Buckets into an archive.
        case backup(BackupWork)
        /// One bucket kept equal to another.
        case mirror(MirrorWork)
        /// A restore for practice.
        case drill(DrillWork)
        /// An archive checked.
        case verify(VerifyWork)
        /// An archive pruned.
        case prune(PruneWork)
        /// One bucket compared with another, once, and repaired.
        case reconcile(MirrorWork)
    }

    /// What becomes of runs that were due while no daemon ran.
    public enum MissedRuns: String, Sendable, Hashable, CaseIterable {
        /// They are left out.
        case skip
        /// One is made up for all of them.
        case once
    }

    /// What becomes of a run that is due while the one before still runs.
    public enum Overlap: String, Sendable, Hashable, CaseIterable {
        /// It is left out.
        case skip
        /// It begins when that has ended; of several one.
        case queue
    }

    /// How a failed run is tried again.
    public struct Retry: Sendable, Hashable {
        /// How often a run is tried in all.
        public var attempts = 3
        /// The first wait, in nanoseconds; each is twice the one before.
        public var from: Int64 = 10_000_000_000
        /// The longest wait, in nanoseconds.
        public var to: Int64 = 300_000_000_000

        /// The defaults.
        public init() {}
    }

    /// Whom to tell of a run.
    public struct Notification: Sendable, Hashable {
        /// Something that somebody may be told of.
        public enum Occasion: String, Sendable, Hashable, CaseIterable {
            /// A run failed.
            case failure
            /// A run succeeded after one that failed.
            case recovery
            /// A run succeeded.
            case success
        }

        /// When.
        public var occasions: Set<Occasion> = [.failure, .recovery]
        /// Where JSON is posted to.
        public var url: Secret?
        /// What is asked for after every success, so that somebody else notices when it stays away.
        public var heartbeat: Secret?

        /// The defaults.
        public init() {}
    }

    /// Its name in the file.
    public var name: String
    /// What it does.
    public var work: Work
    /// When it runs.
    public var schedule: Recurrence
    /// The longest time, in nanoseconds, that is added to a due time at random.
    public var jitter: Int64 = 0
    /// What becomes of runs that were missed.
    public var missed = MissedRuns.once
    /// What becomes of a run that is due too early.
    public var overlap = Overlap.skip
    /// After so many nanoseconds a run is stopped, and has failed.
    public var timeout: Int64?
    /// How a failed run is tried again.
    public var retry = Retry()
    /// Whom to tell; nil for nobody.
    public var notify: Notification?
    /// The line of the file that it begins in.
    public var line: Int

    /// The parts; what is not named has its default.
    public init(name: String, work: Work, schedule: Recurrence, line: Int) {
        self.name = name
        self.work = work
        self.schedule = schedule
        self.line = line
    }
}

/// A bucket of a cluster of the file.
public struct BucketLocation: Sendable, Hashable {
    /// The cluster's name in the file.
    public var cluster: String
    /// The bucket.
    public var bucket: BucketName

    /// The parts; what is not named has its default.
    public init(cluster: String, bucket: BucketName) {
        self.cluster = cluster
        self.bucket = bucket
    }
}

/// Buckets into an archive.
public struct BackupWork: Sendable, Hashable {
    /// The cluster's name in the file.
    public var cluster: String
    /// Names and patterns such as `app-*`; `*` for every bucket.
    public var buckets: [String]
    /// The archive's name in the file.
    public var archive: String
    /// Whether it goes on until it is stopped.
    public var follows = false
    /// How often a following backup commits, in nanoseconds.
    public var commitEvery: Int64 = 1_000_000_000
    /// The keys; empty for all.
    public var filter: [KeyPattern] = []
    /// How fast it may go; nil for no limit.
    public var bytesPerSecond: UInt64?
    /// The name that the revision reached gets; `{date}` and `{time}` stand for when the run began.
    public var tag: String?
    /// Whether the archive is compared with the bucket afterwards.
    public var verifies = false
    /// What stays in the archive after a run; nil for everything.
    public var retention: RetentionPolicy?

    /// The parts; what is not named has its default.
    public init(cluster: String, buckets: [String], archive: String) {
        self.cluster = cluster
        self.buckets = buckets
        self.archive = archive
    }
}

/// One bucket kept equal to another, or compared with it and repaired.
public struct MirrorWork: Sendable, Hashable {
    /// Where entries come from.
    public var source: BucketLocation
    /// Where entries go.
    public var target: BucketLocation
    /// The keys; empty for all.
    public var filter: [KeyPattern] = []
    /// The names that keys get.
    public var mapping = KeyMapping.identity
    /// Whether keys are deleted in the target as well.
    public var deletes = true
    /// Whether a recreated source is mirrored anew, in place of stopping.
    public var resyncs = false
    /// Whether a target entry that would get another revision than its source stops the mirror.
    public var preservesRevisions = false
    /// How often both sides are compared and the target repaired, in nanoseconds; nil for never.
    public var reconcileEvery: Int64?
    /// How fast it may go; nil for no limit.
    public var bytesPerSecond: UInt64?
    /// Settings for a target that does not exist yet, each `FIELD=VALUE`.
    public var settings: [String] = []

    /// The parts; what is not named has its default.
    public init(source: BucketLocation, target: BucketLocation) {
        self.source = source
        self.target = target
    }
}

/// The newest point of an archive restored into a scratch bucket, compared, and deleted again.
public struct DrillWork: Sendable, Hashable {
    /// The archive's name in the file.
    public var archive: String
    /// The archived bucket; nil for each that the archive holds.
    public var bucket: BucketName?
    /// The cluster of the scratch bucket.
    public var cluster: String
    /// What the scratch bucket's name begins with.
    public var prefix = "cistern-drill-"
    /// Settings of the scratch bucket, each `FIELD=VALUE`.
    public var settings: [String] = []

    /// The parts; what is not named has its default.
    public init(archive: String, cluster: String) {
        self.archive = archive
        self.cluster = cluster
    }
}

/// An archive checked; against a live bucket as well, if one is named.
public struct VerifyWork: Sendable, Hashable {
    /// The archive's name in the file.
    public var archive: String
    /// The live bucket to compare with.
    public var against: BucketLocation?

    /// The parts; what is not named has its default.
    public init(archive: String) {
        self.archive = archive
    }
}

/// An archive pruned by a policy.
public struct PruneWork: Sendable, Hashable {
    /// The archive's name in the file.
    public var archive: String
    /// The buckets; empty for all.
    public var buckets: [BucketName] = []
    /// What stays.
    public var retention: RetentionPolicy
    /// Whether the file is made smaller afterwards.
    public var compacts = false

    /// The parts; what is not named has its default.
    public init(archive: String, retention: RetentionPolicy) {
        self.archive = archive
        self.retention = retention
    }
}
