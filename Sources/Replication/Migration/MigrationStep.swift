/// The steps of a migration, each journaled before it is taken.
public enum MigrationStep: String, Sendable, Hashable, Codable, CaseIterable {
    /// A stream of the new configuration is made under another name, and deleted.
    case trial
    /// The bucket is taken off its subjects, so that a write fails at once.
    case fence
    /// What came since the backup is captured, up to the final revision.
    case capture
    /// The bucket is deleted.
    case delete
    /// The bucket is made anew from the archive.
    case restore
    /// Over: the bucket is as new.
    case done
    /// On the way back: the bucket gets its subjects again.
    case unfence
    /// On the way back: the bucket is made anew as it was.
    case returning = "return"
    /// Over: the bucket is as old.
    case rolledBack = "rolled-back"

    /// Whether nothing is left to do.
    public var isEnd: Bool { self == .done || self == .rolledBack }
    /// Whether the bucket is on its way back.
    public var isReturn: Bool { self == .unfence || self == .returning || self == .rolledBack }
}

/// What of a bucket can be seen on the server while its migration is under way.
public enum MigrationSight: String, Sendable, Hashable, CaseIterable {
    /// There is none.
    case absent
    /// The bucket, taking writes.
    case open
    /// The bucket, fenced by this migration.
    case fenced
    /// An unfinished restore of it.
    case unfinished
}

/// Where an interrupted migration goes on: pure.
public enum MigrationDecision: Sendable, Hashable {
    /// With this step.
    case take(MigrationStep)
    /// All was done but to write it down, if the bucket holds what it should; if not, it is somebody else's.
    case confirm(MigrationStep)
    /// Nowhere: this is not what the migration left.
    case refuse(String)

    /// Forward, from the last step that was written down.
    public static func resume(after last: MigrationStep, seeing sight: MigrationSight) -> MigrationDecision {
        switch (last, sight) {
        case (.done, _): .refuse("it is done already")
        case (.rolledBack, _): .refuse("it was rolled back")
        case (.unfence, _), (.returning, _): .refuse("its rollback has begun: finish that with --rollback")
        case (.trial, .open): .take(.trial)
        case (.fence, .open), (.fence, .fenced), (.capture, .fenced), (.delete, .fenced): .take(.fence)
        case (.delete, .absent), (.restore, .absent), (.restore, .unfinished): .take(.restore)
        case (.restore, .open): .confirm(.done)
        case (_, .absent): .refuse("the bucket is gone, and this migration has not deleted it")
        case (.capture, .open): .refuse("somebody gave the bucket its subjects back; --rollback closes the matter")
        case (.delete, .open): .refuse("a bucket of its name was made meanwhile, which is not this migration's")
        case (_, .unfinished), (_, .fenced): .refuse("the bucket is in another state than it was left in")
        }
    }

    /// Back, from the last step that was written down.
    public static func rollBack(after last: MigrationStep, seeing sight: MigrationSight) -> MigrationDecision {
        switch (last, sight) {
        case (.done, _): .refuse("it is done: there is nothing to roll back; migrate back with --set")
        case (.rolledBack, _): .refuse("it was rolled back already")
        case (.trial, .open), (.fence, .open), (.capture, .open), (.unfence, .open): .take(.unfence)
        case (.restore, .fenced), (.returning, .fenced):
            .refuse("the bucket is in another state than it was left in")
        case (_, .fenced): .take(.unfence)
        case (.delete, .absent), (.restore, .absent), (.returning, .absent): .take(.returning)
        case (.restore, .unfinished), (.returning, .unfinished): .take(.returning)
        case (.returning, .open): .confirm(.rolledBack)
        case (.restore, .open):
            .refuse("the new bucket is complete and takes writes: close the matter with --resume")
        case (.delete, .open): .refuse("a bucket of its name was made meanwhile, which is not this migration's")
        case (_, .absent): .refuse("the bucket is gone, and this migration has not deleted it")
        case (_, .unfinished): .refuse("the bucket is in another state than it was left in")
        }
    }
}
