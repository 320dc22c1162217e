package import KVModel

/// A job in the API.
package struct JobDocument: Codable, Sendable {
    package struct Progress: Codable, Sendable {
        package var activity: String
        package var entries: UInt64
        package var bytes: UInt64
        package var lagEntries: UInt64?
        package var lagSeconds: Double?
        package var interruptions: Int
        package var warning: String?
    }

    package struct Sample: Codable, Sendable {
        package var time: String
        package var lagEntries: UInt64?
        package var lagSeconds: Double?
        package var entriesPerSecond: Double
        package var bytesPerSecond: Double
    }

    package var job: String
    package var kind: String
    package var summary: String
    package var schedule: String
    package var state: String
    package var paused: Bool
    package var nextRun: String?
    package var holder: String?
    package var lastRun: RunDocument?
    package var lastSuccess: String?
    package var consecutiveFailures: Int
    package var untold: String?
    package var runningSince: String?
    package var progress: Progress?
    package var samples: [Sample]
    package var totals: JobView.Totals

    package init(_ view: JobView) {
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
        untold = view.untold
        runningSince = view.runningSince.map(TimeText.rfc3339)
        progress = view.progress.map {
            Progress(
                activity: $0.activity,
                entries: $0.entries,
                bytes: $0.bytes,
                lagEntries: $0.lagEntries,
                lagSeconds: $0.lagTime.map(TimeText.seconds),
                interruptions: $0.interruptions,
                warning: $0.warning
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
package struct JobListDocument: Codable, Sendable {
    package var jobs: [JobDocument]

    /// A list of these jobs.
    package init(jobs: [JobDocument]) {
        self.jobs = jobs
    }
}

/// A run in the API.
package struct RunDocument: Codable, Sendable {
    package var id: Int64
    package var job: String
    package var kind: String
    package var cause: String
    package var attempt: Int
    package var due: String?
    package var started: String
    package var finished: String?
    package var durationSeconds: Double?
    package var outcome: String
    package var revision: Revision?
    package var entries: UInt64
    package var bytes: UInt64
    package var summary: String
    package var error: String?
    package var daemon: String

    package init(_ run: RunRecord) {
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
package struct RunListDocument: Codable, Sendable {
    package var runs: [RunDocument]
    package var next: Int64?
}

extension RunRecord {
    /// How long it took, in nanoseconds; nil while it runs.
    var duration: Int64? {
        finished.map { max(0, $0 - started) }
    }
}
