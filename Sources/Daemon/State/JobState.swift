import GRDB

/// How a job stands, as its daemon must remember it.
public struct JobState: Sendable, Hashable {
    /// Whether somebody paused it.
    public var isPaused = false
    /// The last due time that was run or left out, in nanoseconds since 1970.
    public var lastDue: Int64?
    /// How many runs have failed in a row.
    public var failures = 0
    /// What was last told to others, so that a recovery is told after a failure and not after a success.
    public var notified: RunRecord.Outcome?

    /// A job that nothing is known of.
    public init() {}
}

extension StateDatabase {
    /// How a job stands.
    public func jobState(_ job: String) throws(DaemonError) -> JobState {
        try read { db in
            let sql = "SELECT paused, last_due, failures, notified FROM job WHERE name = ?"
            guard let row = try Row.fetchOne(db, sql: sql, arguments: [job]) else { return JobState() }
            var state = JobState()
            state.isPaused = row["paused"]
            state.lastDue = row["last_due"]
            state.failures = row["failures"]
            let notified: String? = row["notified"]
            state.notified = notified.flatMap(RunRecord.Outcome.init(rawValue:))
            return state
        }
    }

    /// Pauses a job, or lets it go on.
    public func setPaused(_ isPaused: Bool, job: String) throws(DaemonError) {
        try set("paused = ?1", isPaused, job)
    }

    /// Writes down that a due time was run or left out; an earlier one than is known changes nothing.
    public func setLastDue(_ due: Int64, job: String) throws(DaemonError) {
        try set("last_due = max(coalesce(last_due, ?1), ?1)", due, job)
    }

    /// Writes down what was last told to others.
    public func setNotified(_ outcome: RunRecord.Outcome?, job: String) throws(DaemonError) {
        try set("notified = ?1", outcome?.rawValue, job)
    }

    /// Forgets how many runs have failed: one goes on well.
    public func resetFailures(job: String) throws(DaemonError) {
        try set("failures = ?1", 0, job)
    }

    private func set(
        _ assignment: String,
        _ value: (any DatabaseValueConvertible)?,
        _ job: String
    ) throws(DaemonError) {
        try write { db in
            try db.execute(sql: "INSERT OR IGNORE INTO job (name) VALUES (?)", arguments: [job])
            try db.execute(sql: "UPDATE job SET \(assignment) WHERE name = ?2", arguments: [value, job])
        }
    }
}
