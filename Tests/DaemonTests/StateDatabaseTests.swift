import Archive
import Foundation
import GRDB
import TestSupport
import Testing

@testable import Daemon

@Suite("The state database of a daemon")
struct StateDatabaseTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.file("state.db") }

    init() throws {
        directory = try TemporaryDirectory("state")
    }

    private func run(_ job: String, started: Int64 = 1, daemon: String = "a") -> RunRecord {
        RunRecord(job: job, kind: "backup", cause: .schedule, due: 1, started: started, daemon: daemon)
    }

    @Test("Runs are there again after the file was closed, the newest first, page by page")
    func runs() throws {
        var database = try StateDatabase.open(path: path)
        var first = try database.begin(run("nightly", started: 10))
        let result = RunResult(.succeeded, revision: .max >> 1, entries: 7, bytes: 9, summary: "did it", error: nil)
        first = try database.finish(first.id, result, at: 20)
        #expect(first.outcome == .succeeded && first.finished == 20 && first.revision == .max >> 1)
        #expect(first.entries == 7 && first.bytes == 9 && first.summary == "did it" && first.due == 1)
        let other = try database.begin(run("live"))
        let second = try database.begin(run("nightly", started: 30))
        try database.close()
        try database.close()
        database = try StateDatabase.open(path: path)
        #expect(try database.runs() == [second, other, first])
        #expect(try database.runs(limit: 1) == [second])
        #expect(try database.runs(before: second.id, limit: 1) == [other])
        #expect(try database.runs(job: "nightly") == [second, first])
        #expect(try database.runs(job: "nightly", before: second.id) == [first])
        #expect(try database.run(other.id) == other)
        #expect(try database.lastRun(job: "nightly") == second)
        #expect(try database.lastSuccess(job: "nightly") == first)
        #expect(try database.lastSuccess(job: "live") == nil)
        #expect(throws: DaemonError.self) { try database.finish(99, RunResult(.failed, summary: ""), at: 1) }
        try database.close()
    }

    @Test("Runs that a killed daemon left are closed as failed, those of others are not")
    func unfinished() throws {
        let database = try StateDatabase.open(path: path)
        let left = try database.begin(run("nightly"))
        let others = try database.begin(run("nightly", daemon: "b"))
        let done = try database.begin(run("nightly"))
        try database.finish(done.id, RunResult(.succeeded, summary: ""), at: 2)
        let closed = try database.closeUnfinished(daemon: "a", at: 5)
        #expect(closed.map(\.id) == [left.id])
        #expect(closed.first?.outcome == .failed && closed.first?.finished == 5)
        #expect(closed.first?.error == "the daemon ended without saying so")
        #expect(try database.run(others.id)?.outcome == .running)
        #expect(try database.jobState("nightly").failures == 1)
        #expect(try database.closeUnfinished(at: 6).map(\.id) == [others.id])
        #expect(try database.closeUnfinished(at: 7) == [])
        try database.close()
    }

    @Test("A job's failures in a row end with a success, and its last due time never goes back")
    func jobs() throws {
        var database = try StateDatabase.open(path: path)
        #expect(try database.jobState("nightly") == JobState())
        func end(_ outcome: RunRecord.Outcome) throws -> Int {
            let begun = try database.begin(run("nightly"))
            try database.finish(begun.id, RunResult(outcome, summary: ""), at: 2)
            return try database.jobState("nightly").failures
        }
        #expect(try [.failed, .different, .stopped, .failed].map(end) == [1, 2, 2, 3])
        try database.setPaused(true, job: "nightly")
        try database.setNotified(.failed, job: "nightly")
        try database.setLastDue(50, job: "nightly")
        try database.setLastDue(40, job: "nightly")
        try database.close()
        database = try StateDatabase.open(path: path)
        var state = try database.jobState("nightly")
        #expect(state.isPaused && state.lastDue == 50 && state.failures == 3 && state.notified == .failed)
        #expect(try end(.succeeded) == 0)
        try database.setPaused(false, job: "nightly")
        try database.setNotified(nil, job: "nightly")
        try database.setLastDue(60, job: "nightly")
        state = try database.jobState("nightly")
        #expect(!state.isPaused && state.lastDue == 60 && state.notified == nil)
        #expect(try database.jobState("other") == JobState())
        try database.close()
    }

    @Test("Old runs go, but for the last success and what still runs")
    func bounds() throws {
        let database = try StateDatabase.open(path: path, runsPerJob: 5)
        let running = try database.begin(run("nightly"))
        let good = try database.begin(run("nightly"))
        try database.finish(good.id, RunResult(.succeeded, summary: ""), at: 2)
        let other = try database.begin(run("live"))
        var last: [Int64] = []
        for number in 0..<12 {
            let begun = try database.begin(run("nightly"))
            try database.finish(begun.id, RunResult(.failed, summary: ""), at: Int64(100 + number))
            last.append(begun.id)
        }
        let kept = [running.id, good.id] + last.suffix(5)
        #expect(try database.runs(job: "nightly").map(\.id) == kept.reversed())
        #expect(try database.forget(olderThan: 110) == 3)
        #expect(try database.runs(job: "nightly").map(\.id) == [last[11], last[10], good.id, running.id])
        #expect(try database.forget(keeping: 1) == 1)
        #expect(try database.runs().map(\.id) == [last[11], other.id, good.id, running.id])
        // Numbers are not given out again.
        #expect(try database.begin(run("live")).id > last[11])
        try database.close()
    }

    @Test("Samples are thinned: the largest lag and the mean speed stay, and no more than a bound")
    func samples() throws {
        let database = try StateDatabase.open(path: path)
        let second: Int64 = 1_000_000_000
        let start: Int64 = 1_790_000_000 * second / (900 * second) * (900 * second)
        func sample(_ seconds: Int64, lag: UInt64?, speed: Double) -> JobSample {
            JobSample(
                job: "live",
                time: start + seconds * second,
                lagEntries: lag,
                lagTime: lag.map { Int64($0) * 2 },
                entries: speed,
                bytes: speed * 10
            )
        }
        try database.record([sample(0, lag: nil, speed: 1), sample(3, lag: 8, speed: 2), sample(9, lag: 4, speed: 3)])
        try database.record(sample(10, lag: 1, speed: 9))
        let expected = [
            JobSample(job: "live", time: start, lagEntries: 8, lagTime: 16, entries: 2, bytes: 20),
            sample(10, lag: 1, speed: 9),
        ]
        #expect(try database.samples(job: "live", since: start) == expected)
        #expect(try database.samples(job: "live", since: start + 1) == [expected[1]])
        #expect(try database.samples(job: "other", since: 0) == [])
        // 40 days, a sample every 5 minutes, then two hours of one every 5 seconds.
        let days = 40 * 288
        try database.record((0..<days).map { sample(Int64($0) * 300, lag: 1, speed: 1) })
        let later = Int64(days) * 300
        try database.record((0..<1440).map { sample(later + Int64($0) * 5, lag: 2, speed: 2) })
        let end = start + (later + 7200) * second
        let hour = try database.samples(job: "live", since: end - 3600 * second)
        #expect(hour.count == 360 && hour.allSatisfy { $0.lagEntries == 2 && $0.entries == 2 })
        #expect(try database.samples(job: "live", since: end - 7200 * second).count == 120)
        let all = try database.samples(job: "live", since: 0)
        #expect((2880...2882).contains(all.count) && all.allSatisfy { $0.time % (900 * second) == 0 })
        let rows = try database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM sample") }
        #expect(try #require(rows) <= 4683)
        try database.close()
    }

    @Test("A second daemon is refused with the name of the first, until that has ended")
    func lock() throws {
        let database = try StateDatabase.open(path: path)
        #expect {
            try StateDatabase.open(path: path)
        } throws: { error in
            guard let error = error as? DaemonError else { return false }
            return error.code == .stateLocked && error.text.contains("process \(getpid()) on ")
        }
        try database.close()
        try StateDatabase.open(path: path).close()
        #expect(!FileManager.default.fileExists(atPath: path + ".lock"))
    }

    @Test("A file of something else, of a newer cistern, or damaged is refused and not changed")
    func foreign() throws {
        func refused(_ name: String, _ text: String, _ make: (String) throws -> Void) throws {
            let path = directory.file(name)
            try make(path)
            let before = FileManager.default.contents(atPath: path)
            #expect("\(name)") {
                try StateDatabase.open(path: path)
            } throws: { error in
                guard let error = error as? DaemonError else { return false }
                return error.code == .state && error.text.contains(text) && error.text.contains(path)
            }
            #expect(FileManager.default.contents(atPath: path) == before, "\(name)")
            #expect(!FileManager.default.fileExists(atPath: path + "-wal"), "\(name)")
        }
        try refused("archive.db", "something else") {
            try ArchiveWriter.open(path: $0, createIfMissing: true).close()
        }
        try refused("text.db", "something else") { path in
            try String(repeating: "no database\n", count: 100).write(toFile: path, atomically: true, encoding: .utf8)
        }
        try refused("other.db", "something else") { path in
            let other = try DatabaseQueue(path: path)
            try other.write { try $0.execute(sql: "CREATE TABLE things (id INTEGER)") }
            try other.close()
        }
        try refused("newer.db", "newer cistern") { path in
            try StateDatabase.open(path: path).close()
            let newer = try DatabaseQueue(path: path)
            try newer.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = DELETE") }
            try newer.writeWithoutTransaction { try $0.execute(sql: "PRAGMA user_version = 2") }
            try newer.close()
        }
        try refused("damaged.db", "damaged") { path in
            try StateDatabase.open(path: path).close()
            var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            for index in 100..<4000 { bytes[index] = 0xaa }
            try bytes.write(to: URL(fileURLWithPath: path))
        }
        try refused("missing/state.db", "No such file") { _ in }
    }

    @Test("It may be used by many threads at once")
    func threads() async throws {
        let database = try StateDatabase.open(path: path)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for job in 0..<4 {
                group.addTask {
                    try await onOwnThread {
                        for _ in 0..<10 {
                            let begun = try database.begin(self.run("job-\(job)"))
                            try database.finish(begun.id, RunResult(.failed, summary: ""), at: 2)
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try database.runs(limit: 100).count == 40)
        #expect(try (0..<4).map { try database.jobState("job-\($0)").failures } == [10, 10, 10, 10])
        try database.close()
    }
}
