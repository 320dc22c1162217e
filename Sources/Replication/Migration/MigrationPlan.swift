public import Archive
public import KVModel

/// What a migration will do, decided before anything is touched.
public struct MigrationPlan: Sendable {
    /// The bucket.
    public var bucket: BucketName
    /// Its life.
    public var incarnation: Incarnation
    /// The configuration before.
    public var old: BucketConfiguration
    /// The configuration after.
    public var new: BucketConfiguration
    /// The settings, what is lost, the way and how long it may take.
    public var settings: SettingsPlan
    /// How many consumers, watchers among them, the bucket has: they end with it if it is recreated.
    public var consumers: Int
    /// Streams that mirror the bucket or have it as a source.
    public var dependents: [String]
    /// Whether entries come into memory by way of a stream in file storage.
    public var isStaged: Bool
    /// What the entries will take in the bucket's storage.
    public var storedBytes: UInt64
    /// Whether the new bucket takes writes before it is whole: a replay on servers that cannot keep them out.
    public var admitsWriters: Bool
}

/// How far a migration has come.
public struct MigrationProgress: Sendable, Hashable {
    /// What it does.
    public enum Activity: Sendable, Hashable {
        /// The backup before the plan.
        case backup
        /// A step began.
        case step(MigrationStep)
        /// Entries are captured.
        case capture
        /// Entries are written.
        case writing
        /// What was written is compared.
        case verifying
    }

    /// What it does.
    public var activity: Activity
    /// How many entries of it are done.
    public var entries: UInt64 = 0
    /// Of how many, if that is known.
    public var total: UInt64?
}

/// What a migration did.
public struct MigrationReport: Sendable {
    /// How it ended.
    public enum Outcome: String, Sendable, Hashable {
        /// The server changed the settings in place.
        case changedInPlace = "changed-in-place"
        /// The bucket was made anew.
        case migrated
        /// The bucket is as it was.
        case rolledBack = "rolled-back"
    }

    /// The bucket.
    public var bucket: BucketName
    /// How it ended.
    public var outcome: Outcome
    /// The revision at which it was recreated.
    public var finalRevision: Revision?
    /// The tag of that revision in the archive.
    public var tag: String?
    /// For how long writers were kept out; nil where they were not, or by an earlier run.
    public var pause: Duration?
    /// The life in which the archive holds what others wrote into the bucket before it was whole; nil if nobody did.
    public var strays: Incarnation?
    /// What the restore did; nil if there was none.
    public var restore: RestoreReport?
}
