public import KVModel

/// A job in the API.
public struct JobDocument: Codable, Sendable {
    public struct Progress: Codable, Sendable {
        public var activity: String
        public var entries: UInt64
        public var bytes: UInt64
        public var lagEntries: UInt64?
        public var lagSeconds: Double?
        public var interruptions: Int
    }

    public struct Sample: Codable, Sendable {
        public var time: String
        public var lagEntries: UInt64?
        public var lagSeconds: Double?
        public var entriesPerSecond: Double
        public var bytesPerSecond: Double
    }

    public var job: String
    public var kind: String
    public var summary: String
    public var schedule: String
    public var state: String
    public var paused: Bool
    public var nextRun: String?
    public var holder: String?
    public var lastRun: RunDocument?
    public var lastSuccess: String?
    public var consecutiveFailures: Int
    public var runningSince: String?
    public var progress: Progress?
    public var samples: [Sample]
    public var totals: JobView.Totals

    public init(_ view: JobView) {
        job = view.name
        kind = view.kind
        summary = view.summary
        schedule = view.schedule
        state = view.state.rawValue
        paused = view.isPaused
        nextRun = view.nextRun.map(TimeText.rfc3339)
        holder = view.holder
        lastRun = view.lastRun.map { RunDocument($0) }
        lastSuccess = view.lastSuccess.map(TimeText.rfc3339)
        consecutiveFailures = view.consecutiveFailures
        runningSince = view.runningSince.map(TimeText.rfc3339)
        progress = view.progress.map {
            Progress(
                activity: $0.activity,
                entries: $0.entries,
                bytes: $0.bytes,
                lagEntries: $0.lagEntries,
                lagSeconds: $0.lagTime.map(TimeText.seconds),
                interruptions: $0.interruptions
            )
        }
        samples = view.samples.map {
            Sample(
                time: TimeText.rfc3339($0.time),
                lagEntries: $0.lagEntries,
                lagSeconds: $0.lagTime.map(TimeText.seconds),
                entriesPerSecond: $0.entriesPerSecond.isFinite ? $0.entriesPerSecond : 0,
                bytesPerSecond: $0.bytesPerSecond.isFinite ? $0.bytesPerSecond : 0
            )
        }
        totals = view.totals
    }
}

/// `GET /api/v1/jobs`.
public struct JobListDocument: Codable, Sendable {
    public var jobs: [JobDocument]

    /// A list of these jobs.
    public init(jobs: [JobDocument]) {
        self.jobs = jobs
    }
}

/// A run in the API.
public struct RunDocument: Codable, Sendable {
    public var id: Int64
    public var job: String
    public var kind: String
    public var cause: String
    public var attempt: Int
    public var due: String?
    public var started: String
    public var finished: String?
    public var durationSeconds: Double?
    public var outcome: String
    public var revision: Revision?
    public var entries: UInt64
    public var bytes: UInt64
    public var summary: String
    public var error: String?
    public var daemon: String

    public init(_ run: RunRecord) {
        id = run.id
        job = run.job
        kind = run.kind
        cause = run.cause.rawValue
        attempt = run.attempt
        due = run.due.map(TimeText.rfc3339)
        started = TimeText.rfc3339(run.started)
        finished = run.finished.map(TimeText.rfc3339)
        durationSeconds = run.duration.map(TimeText.seconds)
        outcome = run.outcome.rawValue
        revision = run.revision
        entries = run.entries
        bytes = run.bytes
        summary = run.summary
        error = run.error
        daemon = run.daemon
    }
}

/// `GET /api/v1/runs`: `next` is what `before` must say to go on; absent at the end.
public struct RunListDocument: Codable, Sendable {
    public var runs: [RunDocument]
    public var next: Int64?
}

extension RunRecord {
    /// How long it took, in nanoseconds; nil while it runs.
    var duration: Int64? {
        finished.map { max(0, $0 - started) }
    }
}
