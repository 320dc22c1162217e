import GRDB
import KVModel

extension StateDatabase {
    private static let columns = """
        id, job, kind, cause, attempt, due, started, finished, outcome, revision, entries, bytes, summary, error, daemon
        """

    /// Writes a run down as it begins; answers it with its number.
    ///
    /// Of each job the newest `runsPerJob` stay, and the last one that succeeded.
    public func begin(_ run: RunRecord) throws(DaemonError) -> RunRecord {
        try write { db in
            var begun = run
            let places = Array(repeating: "?", count: 14).joined(separator: ", ")
            let values: [(any DatabaseValueConvertible)?] = [
                run.job, run.kind, run.cause.rawValue, run.attempt, run.due, run.started, run.finished,
                run.outcome.rawValue, run.revision.map { Int64(clamping: $0) }, Int64(clamping: run.entries),
                Int64(clamping: run.bytes), run.summary, run.error, run.daemon,
            ]
            try db.execute(
                sql: "INSERT INTO run (\(Self.columns.dropFirst(4))) VALUES (\(places))",
                arguments: StatementArguments(values)
            )
            begun.id = db.lastInsertedRowID
            try db.thinRuns(of: run.job, keeping: runsPerJob)
            return begun
        }
    }

    /// Writes down what came of a run, and counts the job's failures in a row; answers it as it is now.
    ///
    /// A success ends them, a stop leaves them as they are. Throws if there is no such run.
    @discardableResult
    public func finish(_ id: Int64, _ result: RunResult, at time: Int64) throws(DaemonError) -> RunRecord {
        try write { db in
            let values: [(any DatabaseValueConvertible)?] = [
                time, result.outcome.rawValue, result.revision.map { Int64(clamping: $0) },
                Int64(clamping: result.entries), Int64(clamping: result.bytes), result.summary, result.error, id,
            ]
            try db.execute(
                sql: """
                    UPDATE run SET finished = ?, outcome = ?, revision = ?, entries = ?, bytes = ?, summary = ?,
                    error = ? WHERE id = ?
                    """,
                arguments: StatementArguments(values)
            )
            guard let run = try db.runs("WHERE id = ?", [id]).first else {
                throw DaemonError(
                    .state,
                    text: "the state database \(path) has no run \(id)",
                    hint: "it was forgotten while it ran: keep more runs"
                )
            }
            try db.countFailures(run)
            return run
        }
    }

    /// Runs, the newest first: of a job or of all, and only those with lower numbers than `before`.
    public func runs(job: String? = nil, before: Int64? = nil, limit: Int = 50) throws(DaemonError) -> [RunRecord] {
        try read { db in
            var conditions: [String] = []
            var arguments: [any DatabaseValueConvertible] = []
            if let job {
                conditions.append("job = ?")
                arguments.append(job)
            }
            if let before {
                conditions.append("id < ?")
                arguments.append(before)
            }
            let clause = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
            return try db.runs(
                "\(clause) ORDER BY id DESC LIMIT ?",
                StatementArguments(arguments + [max(0, limit)])
            )
        }
    }

    /// One run by its number; nil if there is none.
    public func run(_ id: Int64) throws(DaemonError) -> RunRecord? {
        try read { try $0.runs("WHERE id = ?", [id]).first }
    }

    /// The newest run of a job.
    public func lastRun(job: String) throws(DaemonError) -> RunRecord? {
        try read { try $0.runs("WHERE job = ? ORDER BY id DESC LIMIT 1", [job]).first }
    }

    /// The newest run of a job that did what it was asked.
    public func lastSuccess(job: String) throws(DaemonError) -> RunRecord? {
        try read { db in
            try db.runs("WHERE job = ? AND outcome = 'succeeded' ORDER BY id DESC LIMIT 1", [job]).first
        }
    }

    /// Ends the runs that a daemon left behind when it was killed, as failed; answers them.
    ///
    /// For the start of a daemon, before it begins runs of its own. Without a name, those of every daemon that ever used
    /// the file.
    @discardableResult
    public func closeUnfinished(daemon: String? = nil, at time: Int64) throws(DaemonError) -> [RunRecord] {
        try write { db in
            let clause = "WHERE outcome = 'running' AND (?1 IS NULL OR daemon = ?1) ORDER BY id"
            let left = try db.runs(clause, [daemon])
            for run in left {
                try db.execute(
                    sql: "UPDATE run SET outcome = 'failed', finished = ?, error = ? WHERE id = ?",
                    arguments: [time, "the daemon ended without saying so", run.id]
                )
            }
            let closed = try left.flatMap { try db.runs("WHERE id = ?", [$0.id]) }
            for run in closed { try db.countFailures(run) }
            return closed
        }
    }

    /// Drops runs that ended before a time, and those of each job beyond the newest so many; answers how many.
    ///
    /// What still runs stays, and of each job the last run that succeeded.
    @discardableResult
    public func forget(olderThan time: Int64? = nil, keeping count: Int? = nil) throws(DaemonError) -> Int {
        try write { db in
            var dropped = 0
            for job in try String.fetchAll(db, sql: "SELECT DISTINCT job FROM run") {
                if let count { dropped += try db.thinRuns(of: job, keeping: count) }
                guard let time else { continue }
                try db.execute(
                    sql: """
                        DELETE FROM run WHERE job = ?1 AND finished < ?2 AND outcome <> 'running' AND id IS NOT
                        (SELECT max(id) FROM run WHERE job = ?1 AND outcome = 'succeeded')
                        """,
                    arguments: [job, time]
                )
                dropped += db.changesCount
            }
            return dropped
        }
    }
}

extension Database {
    fileprivate func runs(_ clause: String, _ arguments: StatementArguments) throws -> [RunRecord] {
        let rows = try Row.fetchAll(self, sql: "SELECT * FROM run " + clause, arguments: arguments)
        return try rows.map(RunRecord.init)
    }

    /// Drops the runs of a job beyond the newest so many, but for what still runs and the last success.
    @discardableResult
    fileprivate func thinRuns(of job: String, keeping count: Int) throws -> Int {
        try execute(
            sql: """
                DELETE FROM run WHERE job = ?1 AND outcome <> 'running'
                AND id <= (SELECT id FROM run WHERE job = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)
                AND id IS NOT (SELECT max(id) FROM run WHERE job = ?1 AND outcome = 'succeeded')
                """,
            arguments: [job, max(0, count)]
        )
        return changesCount
    }

    fileprivate func countFailures(_ run: RunRecord) throws {
        let failures: String
        switch run.outcome {
        case .succeeded: failures = "0"
        case .failed, .different: failures = "failures + 1"
        case .running, .stopped: return
        }
        try execute(sql: "INSERT OR IGNORE INTO job (name) VALUES (?)", arguments: [run.job])
        try execute(sql: "UPDATE job SET failures = \(failures) WHERE name = ?", arguments: [run.job])
    }
}

extension RunRecord {
    fileprivate init(_ row: Row) throws {
        guard let cause = Cause(rawValue: row["cause"]), let outcome = Outcome(rawValue: row["outcome"]) else {
            throw DaemonError(
                .state,
                text: "the state database is damaged: a run has an unknown cause or outcome",
                hint: "move it away: the daemon begins with a new one, without its list of runs"
            )
        }
        let revision: Int64? = row["revision"]
        let entries: Int64 = row["entries"]
        let bytes: Int64 = row["bytes"]
        self.init(
            id: row["id"],
            job: row["job"],
            kind: row["kind"],
            cause: cause,
            attempt: row["attempt"],
            due: row["due"],
            started: row["started"],
            finished: row["finished"],
            outcome: outcome,
            revision: revision.map { Revision(clamping: $0) },
            entries: UInt64(clamping: entries),
            bytes: UInt64(clamping: bytes),
            summary: row["summary"],
            error: row["error"],
            daemon: row["daemon"]
        )
    }
}
