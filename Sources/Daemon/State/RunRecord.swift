public import KVModel

/// One run of a job, as it is written down and shown.
public struct RunRecord: Sendable, Hashable, Codable {
    /// What came of a run.
    public enum Outcome: String, Sendable, Hashable, Codable, CaseIterable {
        /// It still runs, or its daemon was killed.
        case running
        /// It did what it was asked.
        case succeeded
        /// It failed; `error` says why.
        case failed
        /// It was stopped at a checkpoint.
        case stopped
        /// It compared, and found differences.
        case different
    }

    /// Why a run began.
    public enum Cause: String, Sendable, Hashable, Codable, CaseIterable {
        /// It was due.
        case schedule
        /// It makes up for runs that were missed.
        case missed
        /// The run before failed.
        case retry
        /// Somebody asked for it.
        case request
    }

    /// Its number in the state database.
    public var id: Int64
    /// The job's name.
    public var job: String
    /// What it did, such as `backup`.
    public var kind: String
    /// Why it began.
    public var cause: Cause
    /// Which try of a due time it was, from 1.
    public var attempt: Int
    /// The time it was due, in nanoseconds since 1970; nil if nobody had planned it.
    public var due: Int64?
    /// Nanoseconds since 1970.
    public var started: Int64
    /// When it ended, in nanoseconds since 1970; nil while it runs.
    public var finished: Int64?
    /// What came of it.
    public var outcome: Outcome
    /// The revision it reached.
    public var revision: Revision?
    /// The entries it moved or compared.
    public var entries: UInt64
    /// Bytes of keys, headers and values of these.
    public var bytes: UInt64
    /// What it has to say, in a sentence.
    public var summary: String
    /// Why it failed, and what to do.
    public var error: String?
    /// The daemon that it ran on.
    public var daemon: String

    /// A run of these facts.
    public init(
        id: Int64 = 0,
        job: String,
        kind: String,
        cause: Cause,
        attempt: Int = 1,
        due: Int64? = nil,
        started: Int64,
        finished: Int64? = nil,
        outcome: Outcome = .running,
        revision: Revision? = nil,
        entries: UInt64 = 0,
        bytes: UInt64 = 0,
        summary: String = "",
        error: String? = nil,
        daemon: String
    ) {
        self.id = id
        self.job = job
        self.kind = kind
        self.cause = cause
        self.attempt = attempt
        self.due = due
        self.started = started
        self.finished = finished
        self.outcome = outcome
        self.revision = revision
        self.entries = entries
        self.bytes = bytes
        self.summary = summary
        self.error = error
        self.daemon = daemon
    }
}

/// How far a run has come, while it runs.
public struct RunProgress: Sendable, Hashable, Codable {
    /// What it is doing, such as `reading app-config`.
    public var activity: String
    /// The entries it has moved or compared.
    public var entries: UInt64
    /// Bytes of keys, headers and values of these.
    public var bytes: UInt64
    /// Entries that wait to be moved, of a job that runs all the time; nil where that is not known.
    public var lagEntries: UInt64?
    /// How old the newest entry is that was not moved yet, in nanoseconds.
    public var lagTime: Int64?
    /// How often it had to go on after a lost connection or a restart.
    public var interruptions: Int
    /// What goes wrong in a part of it while the others go on, such as one bucket of several that are followed.
    public var warning: String?

    /// Progress of these numbers.
    public init(
        activity: String,
        entries: UInt64 = 0,
        bytes: UInt64 = 0,
        lagEntries: UInt64? = nil,
        lagTime: Int64? = nil,
        interruptions: Int = 0,
        warning: String? = nil
    ) {
        self.activity = activity
        self.entries = entries
        self.bytes = bytes
        self.lagEntries = lagEntries
        self.lagTime = lagTime
        self.interruptions = interruptions
        self.warning = warning
    }
}

/// What a run came to.
public struct RunResult: Sendable, Hashable {
    /// What came of it.
    public var outcome: RunRecord.Outcome
    /// The revision it reached.
    public var revision: Revision?
    /// The entries it has moved or compared.
    public var entries: UInt64
    /// Bytes of keys, headers and values of these.
    public var bytes: UInt64
    /// What it has to say, in a sentence.
    public var summary: String
    /// Why it failed, and what to do.
    public var error: String?

    /// A result of these facts.
    public init(
        _ outcome: RunRecord.Outcome,
        revision: Revision? = nil,
        entries: UInt64 = 0,
        bytes: UInt64 = 0,
        summary: String,
        error: String? = nil
    ) {
        self.outcome = outcome
        self.revision = revision
        self.entries = entries
        self.bytes = bytes
        self.summary = summary
        self.error = error
    }
}
