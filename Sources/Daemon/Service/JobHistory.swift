/// What the state database knows of a job's runs, read when one has ended.
struct JobHistory: Sendable {
    /// How many runs a page shows of a job.
    private static let shown = 30

    /// The newest runs, newest first.
    var recent: [RunRecord]
    var lastSuccess: RunRecord?
    var failures: Int

    init(of job: String, in state: StateDatabase) throws(DaemonError) {
        recent = try state.runs(job: job, limit: Self.shown).filter { $0.outcome != .running }
        lastSuccess = try state.lastSuccess(job: job)
        failures = try state.jobState(job).failures
    }

    /// Takes note of a run that could not be written down, so that it is shown all the same.
    mutating func add(_ record: RunRecord) {
        recent.insert(record, at: 0)
        recent.removeLast(max(0, recent.count - Self.shown))
        if record.outcome == .succeeded { lastSuccess = record }
    }
}
