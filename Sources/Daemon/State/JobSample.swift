import GRDB

/// How a job that runs all the time did around a moment.
public struct JobSample: Sendable, Hashable, Codable {
    public var job: String
    /// Nanoseconds since 1970.
    public var time: Int64
    /// Entries that waited to be moved; nil where that is not known.
    public var lagEntries: UInt64?
    /// How old the newest entry was that was not moved yet, in nanoseconds.
    public var lagTime: Int64?
    /// Entries moved in a second.
    public var entries: Double
    /// Bytes moved in a second.
    public var bytes: Double

    public init(
        job: String,
        time: Int64,
        lagEntries: UInt64? = nil,
        lagTime: Int64? = nil,
        entries: Double = 0,
        bytes: Double = 0
    ) {
        self.job = job
        self.time = time
        self.lagEntries = lagEntries
        self.lagTime = lagTime
        self.entries = entries
        self.bytes = bytes
    }
}

/// How finely samples are kept, and for how long.
struct SampleStep {
    /// Samples within so many nanoseconds are one: its lag is the largest, its speed the mean.
    let width: Int64
    /// It is kept for so many nanoseconds before the newest one.
    let reach: Int64

    private static let second: Int64 = 1_000_000_000

    /// From the finest on; at most 4,680 samples a job in all.
    static let all = [
        SampleStep(width: 10 * second, reach: 3600 * second),
        SampleStep(width: 60 * second, reach: 86_400 * second),
        SampleStep(width: 900 * second, reach: 30 * 86_400 * second),
    ]

    /// Where the sample begins that a moment belongs to.
    func start(_ time: Int64) -> Int64 {
        let rest = time % width
        return time - (rest < 0 ? rest + width : rest)
    }
}

extension StateDatabase {
    /// Takes samples of jobs, and drops those that are too old: every 10 s of an hour are kept, every minute of a day and
    /// every 15 minutes of 30 days.
    public func record(_ samples: [JobSample]) throws(DaemonError) {
        guard !samples.isEmpty else { return }
        try write { db in
            for sample in samples {
                for step in SampleStep.all { try db.add(sample, step) }
            }
            for job in Set(samples.map(\.job)) {
                for step in SampleStep.all { try db.dropOldSamples(of: job, step) }
            }
        }
    }

    /// Takes one sample.
    public func record(_ sample: JobSample) throws(DaemonError) {
        try record([sample])
    }

    /// The samples of a job since a moment, oldest first, as fine as they are kept for so long.
    public func samples(job: String, since: Int64) throws(DaemonError) -> [JobSample] {
        try read { db in
            let sql = "SELECT max(time) FROM sample WHERE job = ?"
            guard let newest = try Int64.fetchOne(db, sql: sql, arguments: [job]) else { return [] }
            let (age, overflow) = newest.subtractingReportingOverflow(since)
            let fitting = SampleStep.all.first { !overflow && age <= $0.reach } ?? SampleStep.all.last
            guard let fitting else { return [] }
            let rows = try Row.fetchAll(
                db,
                sql: "SELECT * FROM sample WHERE job = ? AND step = ? AND time >= ? ORDER BY time",
                arguments: [job, fitting.width, since]
            )
            return rows.map { JobSample($0) }
        }
    }
}

extension Database {
    fileprivate func add(_ sample: JobSample, _ step: SampleStep) throws {
        try execute(
            sql: """
                INSERT INTO sample (job, step, time, count, lag_entries, lag_time, entries, bytes)
                VALUES (?, ?, ?, 1, ?, ?, ?, ?)
                ON CONFLICT (job, step, time) DO UPDATE SET count = count + 1,
                lag_entries = max(coalesce(lag_entries, excluded.lag_entries),
                    coalesce(excluded.lag_entries, lag_entries)),
                lag_time = max(coalesce(lag_time, excluded.lag_time), coalesce(excluded.lag_time, lag_time)),
                entries = entries + excluded.entries, bytes = bytes + excluded.bytes
                """,
            arguments: [
                sample.job, step.width, step.start(sample.time), sample.lagEntries.map { Int64(clamping: $0) },
                sample.lagTime, sample.entries, sample.bytes,
            ]
        )
    }

    fileprivate func dropOldSamples(of job: String, _ step: SampleStep) throws {
        try execute(
            sql: """
                DELETE FROM sample WHERE job = ?1 AND step = ?2
                AND time < (SELECT max(time) FROM sample WHERE job = ?1 AND step = ?2) - ?3
                """,
            arguments: [job, step.width, step.reach]
        )
    }
}

extension JobSample {
    fileprivate init(_ row: Row) {
        let lagEntries: Int64? = row["lag_entries"]
        let count: Double = row["count"]
        let entries: Double = row["entries"]
        let bytes: Double = row["bytes"]
        self.init(
            job: row["job"],
            time: row["time"],
            lagEntries: lagEntries.map { UInt64(clamping: $0) },
            lagTime: row["lag_time"],
            entries: entries / count,
            bytes: bytes / count
        )
    }
}
