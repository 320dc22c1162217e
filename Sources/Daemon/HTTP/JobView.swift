/// A job as it is shown.
///
/// Times are nanoseconds since 1970.
public struct JobView: Sendable, Hashable, Codable {
    /// The one word for how a job stands.
    public enum State: String, Sendable, Hashable, Codable, CaseIterable {
        /// Its last run failed, or the one before the run that goes on.
        case failing
        /// A run goes on here.
        case running
        /// A run is due, and waits for room, for the one before or for the next try.
        case waiting
        /// Another daemon holds its lease.
        case elsewhere
        /// Its last run did what it was asked.
        case ok
        /// It was never run.
        case neverRan = "never_ran"
        /// It begins no runs until it is resumed.
        case paused
    }

    /// How many runs came to what, since the daemon started.
    public struct Totals: Sendable, Hashable, Codable {
        /// Runs that did what they were asked.
        public var succeeded: UInt64
        /// Runs that failed.
        public var failed: UInt64
        /// Runs that were stopped at a checkpoint.
        public var stopped: UInt64
        /// Runs that found differences.
        public var different: UInt64
        /// The entries that all runs moved or compared.
        public var entries: UInt64
        /// The bytes of those.
        public var bytes: UInt64

        /// Counts of runs.
        public init(
            succeeded: UInt64 = 0,
            failed: UInt64 = 0,
            stopped: UInt64 = 0,
            different: UInt64 = 0,
            entries: UInt64 = 0,
            bytes: UInt64 = 0
        ) {
            self.succeeded = succeeded
            self.failed = failed
            self.stopped = stopped
            self.different = different
            self.entries = entries
            self.bytes = bytes
        }
    }

    /// How far behind and how fast a job was at one moment.
    public struct Sample: Sendable, Hashable, Codable {
        /// When it was measured.
        public var time: Int64
        /// Entries that waited to be moved; nil where that was not known.
        public var lagEntries: UInt64?
        /// How old the newest entry was that was not moved yet, in nanoseconds.
        public var lagTime: Int64?
        /// Entries moved or compared a second.
        public var entriesPerSecond: Double
        /// Bytes of those a second.
        public var bytesPerSecond: Double

        /// What was measured at a time.
        public init(
            time: Int64,
            lagEntries: UInt64? = nil,
            lagTime: Int64? = nil,
            entriesPerSecond: Double,
            bytesPerSecond: Double = 0
        ) {
            self.time = time
            self.lagEntries = lagEntries
            self.lagTime = lagTime
            self.entriesPerSecond = entriesPerSecond
            self.bytesPerSecond = bytesPerSecond
        }
    }

    /// Its name in the configuration file.
    public var name: String
    /// What it does, such as `backup`.
    public var kind: String
    /// What it does it with, such as `app-* of east to main`.
    public var summary: String
    /// When it runs, such as `0 3 * * * (Europe/Berlin)`.
    public var schedule: String
    /// How it stands.
    public var state: State
    /// Whether it begins no runs by its schedule.
    public var isPaused: Bool
    /// When it is due next; nil if nothing is planned.
    public var nextRun: Int64?
    /// The daemon that holds its lease; nil if none does.
    public var holder: String?
    /// The newest run that came to its end.
    public var lastRun: RunRecord?
    /// When a run last ended well.
    public var lastSuccess: Int64?
    /// How many runs failed since then.
    public var consecutiveFailures: Int
    /// Why somebody could not be told of a run; nil if all was told.
    public var untold: String?
    /// When the run began that goes on here; nil if none does.
    public var runningSince: Int64?
    /// How far that run has come.
    public var progress: RunProgress?
    /// The newest runs, newest first, as many as a person looks at: about 30.
    public var recentRuns: [RunRecord]
    /// Measurements to draw, oldest first, at most a few hundred.
    public var samples: [Sample]
    /// What came of all its runs.
    public var totals: Totals

    /// A job, and how it stands.
    public init(
        name: String,
        kind: String,
        summary: String,
        schedule: String,
        state: State,
        isPaused: Bool = false,
        nextRun: Int64? = nil,
        holder: String? = nil,
        lastRun: RunRecord? = nil,
        lastSuccess: Int64? = nil,
        consecutiveFailures: Int = 0,
        untold: String? = nil,
        runningSince: Int64? = nil,
        progress: RunProgress? = nil,
        recentRuns: [RunRecord] = [],
        samples: [Sample] = [],
        totals: Totals = Totals()
    ) {
        self.name = name
        self.kind = kind
        self.summary = summary
        self.schedule = schedule
        self.state = state
        self.isPaused = isPaused
        self.nextRun = nextRun
        self.holder = holder
        self.lastRun = lastRun
        self.lastSuccess = lastSuccess
        self.consecutiveFailures = consecutiveFailures
        self.untold = untold
        self.runningSince = runningSince
        self.progress = progress
        self.recentRuns = recentRuns
        self.samples = samples
        self.totals = totals
    }

    /// Whether somebody should look at it: it failed the last time that it came to an end.
    public var needsAttention: Bool {
        state == .failing || consecutiveFailures > 0
    }

    /// Smaller for what a person wants to see earlier.
    var urgency: Int {
        guard !needsAttention else { return 0 }
        return switch state {
        case .failing: 0
        case .running: 1
        case .waiting: 2
        case .elsewhere: 3
        case .ok: 4
        case .neverRan: 5
        case .paused: 6
        }
    }
}
