import KVModel

/// A job in the API.
struct JobDocument: Encodable {
    struct Progress: Encodable {
        var activity: String
        var entries: UInt64
        var bytes: UInt64
        var lagEntries: UInt64?
        var lagSeconds: Double?
        var interruptions: Int
    }

    struct Sample: Encodable {
        var time: String
        var lagEntries: UInt64?
        var lagSeconds: Double?
        var entriesPerSecond: Double
        var bytesPerSecond: Double
    }

    var job: String
    var kind: String
    var summary: String
    var schedule: String
    var state: String
    var paused: Bool
    var nextRun: String?
    var holder: String?
    var lastRun: RunDocument?
    var lastSuccess: String?
    var consecutiveFailures: Int
    var runningSince: String?
    var progress: Progress?
    var samples: [Sample]
    var totals: JobView.Totals

    init(_ view: JobView) {
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
struct JobListDocument: Encodable {
    var jobs: [JobDocument]
}

/// A run in the API.
struct RunDocument: Encodable {
    var id: Int64
    var job: String
    var kind: String
    var cause: String
    var attempt: Int
    var due: String?
    var started: String
    var finished: String?
    var durationSeconds: Double?
    var outcome: String
    var revision: Revision?
    var entries: UInt64
    var bytes: UInt64
    var summary: String
    var error: String?
    var daemon: String

    init(_ run: RunRecord) {
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
struct RunListDocument: Encodable {
    var runs: [RunDocument]
    var next: Int64?
}

extension RunRecord {
    /// How long it took, in nanoseconds; nil while it runs.
    var duration: Int64? {
        finished.map { max(0, $0 - started) }
    }
}
