public import KVModel

/// The number of a run in the archive's audit trail.
public struct RunID: Hashable, Sendable {
    /// The number.
    public let rawValue: Int64

    /// The run of this number.
    public init(rawValue: Int64) {
        self.rawValue = rawValue
    }
}

/// One line of the audit trail: what ran on the archive, when, and what came of it.
public struct ArchiveRun: Sendable, Equatable {
    /// What came of a run.
    public enum Outcome: String, Sendable, Equatable {
        /// It has not ended, or was killed.
        case unfinished
        /// It did what it was asked.
        case succeeded
        /// It failed; `error` says why.
        case failed
        /// It was stopped at a checkpoint.
        case stopped
    }

    /// Its number.
    public let id: RunID
    /// What it was, such as `backup`, `restore` or `verify`.
    public let kind: String
    /// The incarnation it was about, if one.
    public let incarnation: IncarnationID?
    /// When it began.
    public let started: Timestamp
    /// When it ended.
    public let finished: Timestamp?
    /// The revision it started from.
    public let fromRevision: Revision?
    /// The revision it reached.
    public let toRevision: Revision?
    /// The entries it moved.
    public let entries: Int
    /// The raw bytes it moved.
    public let bytes: Int
    /// What came of it.
    public let outcome: Outcome
    /// Why it failed, or what it has to say.
    public let error: String?
}

/// A name for a revision.
public struct ArchiveTag: Sendable, Equatable {
    /// The name, unique among the incarnation's.
    public let name: String
    /// The incarnation.
    public let incarnation: IncarnationID
    /// The revision.
    public let revision: Revision
    /// As of when the bucket's state at the revision counts what has expired.
    public let time: Timestamp?
    /// What the user wrote down.
    public let note: String
    /// When the tag was set.
    public let created: Timestamp
}

/// A bucket configuration as it was observed.
public struct ConfigurationRecord: Sendable, Equatable {
    /// The resume revision when it was observed: it was in force from there on at the latest.
    public let revision: Revision
    /// When it was observed.
    public let time: Timestamp
    /// The server's full stream configuration.
    public let json: String
}
