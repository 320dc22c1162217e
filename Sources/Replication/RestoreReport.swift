public import Archive
public import KVModel

/// How far a restore has come, for a progress line.
public struct RestoreProgress: Sendable, Hashable {
    /// What is being done.
    public enum Phase: String, Sendable, Hashable {
        /// Entries are written.
        case writing
        /// What will be deleted is backed up, or what is to be copied captured.
        case reading
        /// What was written is compared with the archive.
        case verifying
    }

    /// What is being done.
    public var phase = Phase.writing
    /// Entries done.
    public var entries: UInt64 = 0
    /// Entries there are to do.
    public var total: UInt64 = 0
    /// How often writing had to be resumed.
    public var interruptions = 0
}

/// What a restore did.
public struct RestoreReport: Sendable {
    /// What was planned.
    public var plan: RestorePlan
    /// The way entries were written: `exact` or `replay`.
    public var mode: RestoreOptions.Mode
    /// Why that way.
    public var modeReason: String
    /// Where the entries came from.
    public var incarnation: Incarnation
    /// The revision that was restored.
    public var revision: Revision
    /// Entries that the archive holds for that point.
    public var entries: UInt64
    /// Entries written by this run.
    public var written: UInt64
    /// Entries that were there already, from a run that was interrupted.
    public var resumed: UInt64
    /// Entries left out because they have expired.
    public var expired: UInt64
    /// Entries left out because the target's history setting has no place for them; a replay leaves that to the server.
    public var beyondHistory: UInt64
    /// How often writing had to be resumed, or to begin anew.
    public var interruptions: Int
    /// What was done key by key; nil unless the bucket was merged into.
    public var merge: MergeReport?
    /// The backup of the bucket that was deleted; nil if none was, or no backup asked for.
    public var safetyBackup: SafetyBackup?
    /// What the comparison found; nil if none was asked for.
    public var comparison: ComparisonReport?
    /// How long it took.
    public var duration: Duration
}
