import Daemon
import Schedule
import TestSupport
import Testing

@Suite struct JobMachineRetryTests {
    @Test("A failed run is tried again after waits that double, up to the longest")
    func triesAgain() throws {
        var bench = JobBench([every(100_000, retry: retries(6, from: 10, to: 60))])
        var time: Int64 = 100_000
        #expect(bench.advance(time) == ["start a#1 schedule due 100000"])
        for (index, longest) in [Int64(10), 20, 40, 60, 60].enumerated() {
            let run = Int64(index + 1)
            #expect(bench.ended(run, .failed, at: time) == [])
            #expect(bench.machine.status("a")?.phase == .retrying)
            #expect(bench.machine.status("a")?.failures == index + 1)
            let (next, lines) = try bench.wait()
            #expect((longest / 2...longest).contains(next - time))
            #expect(lines == ["start a#\(run + 1) retry try \(run + 1) due 100000"])
            time = next
        }
        // After the last try the next due time is waited for.
        #expect(bench.ended(6, .failed, at: time) == [])
        #expect(bench.waitUntil == 200_000)
        #expect(bench.machine.status("a")?.isFailing == true)
        #expect(bench.advance(200_000) == ["start a#7 schedule due 200000"])
        #expect(bench.ended(7, at: 200_001) == [])
        #expect(bench.machine.status("a")?.isFailing == false)
    }

    @Test("A new due time ends the tries of the one before")
    func endsTries() {
        var bench = JobBench([every(60, retry: retries(5, from: 200, to: 200))])
        #expect(bench.advance(60) == ["start a#1 schedule due 60"])
        #expect(bench.ended(1, .failed, at: 61) == [])
        #expect(bench.advance(120) == ["start a#2 schedule due 120"])
        #expect(bench.ended(2, at: 121) == [])
        #expect(bench.waitUntil == 180)
    }

    @Test("What waits already because it was due meanwhile is run in place of another try")
    func newerWaits() {
        var bench = JobBench([every(60, overlap: .queue, retry: retries(5))])
        #expect(bench.advance(60) == ["start a#1 schedule due 60"])
        #expect(bench.advance(120) == [])
        #expect(bench.ended(1, .failed, at: 130) == ["start a#2 schedule due 120"])
    }

    @Test("Differences are no failure, and a run that somebody stopped is not tried again")
    func otherEnds() {
        var bench = JobBench([every(60, retry: retries(5))])
        #expect(bench.advance(60) == ["start a#1 schedule due 60"])
        #expect(bench.ended(1, .different, at: 61) == [])
        #expect(bench.waitUntil == 120)
        #expect(bench.advance(120) == ["start a#2 schedule due 120"])
        #expect(bench.ended(2, .stopped, at: 121) == [])
        #expect(bench.waitUntil == 180)
        #expect(bench.machine.status("a")?.failures == 0)
    }

    @Test("A run that takes too long is stopped once, and has failed unless it succeeded meanwhile")
    func timeouts() throws {
        var bench = JobBench([every(1000, timeout: 100, retry: retries(2))])
        #expect(bench.advance(1000) == ["start a#1 schedule due 1000"])
        #expect(bench.waitUntil == 1100)
        #expect(bench.advance(1099) == [])
        #expect(bench.advance(1100) == ["stop a#1 timeout"])
        #expect(bench.machine.status("a")?.phase == .stopping)
        #expect(bench.advance(1101) == [])
        #expect(bench.ended(1, .stopped, at: 1105) == [])
        let (time, lines) = try bench.wait()
        #expect(lines == ["start a#2 retry try 2 due 1000"])
        #expect(try bench.wait().1 == ["stop a#2 timeout"])
        #expect(bench.ended(2, .succeeded, at: time + 102) == [])
        #expect(bench.machine.status("a")?.isFailing == false)
        #expect(bench.waitUntil == 2000)
    }

    @Test("A job that runs all the time begins again: at once when it ended well, but not twice a second")
    func beginsAgain() {
        var bench = JobBench([always()])
        #expect(bench.advance(0) == ["start a#1 schedule"])
        #expect(bench.ended(1, at: 50) == ["start a#2 schedule"])
        #expect(bench.ended(2, at: 50) == [])
        #expect(bench.waitUntil == 51)
        #expect(bench.advance(51) == ["start a#3 schedule"])
        #expect(bench.ended(3, .stopped, at: 60) == ["start a#4 schedule"])
    }

    @Test("After failures it waits longer and longer, without end, until a run has held longer than the longest wait")
    func backsOff() throws {
        var bench = JobBench([always()])
        #expect(bench.advance(0) == ["start a#1 schedule"])
        var time: Int64 = 0
        for (index, longest) in [Int64(10), 20, 40, 60, 60, 60].enumerated() {
            #expect(bench.ended(Int64(index + 1), .failed, at: time) == [])
            #expect(bench.machine.status("a")?.failures == index + 1)
            let (next, lines) = try bench.wait()
            #expect(lines == ["start a#\(index + 2) retry try \(index + 2)"])
            #expect((longest / 2...longest).contains(next - time))
            time = next
        }
        // It holds for a minute: that is not long enough.
        #expect(bench.advance(time + 60) == [])
        #expect(bench.machine.status("a")?.isFailing == true)
        #expect(bench.waitUntil == time + 60)
        #expect(bench.advance(time + 61) == [])
        #expect(bench.machine.status("a")?.isFailing == false)
        #expect(bench.waitUntil == nil)
        // The next failure is the first again.
        #expect(bench.ended(7, .failed, at: time + 1000) == [])
        #expect(bench.machine.status("a")?.failures == 1)
        #expect(try #require(bench.waitUntil) <= time + 1010)
    }

    @Test("Waits and limits beyond all measure are no trap")
    func extremes() throws {
        var retry = JobSettings.Retry()
        retry.attempts = .max
        retry.from = .max
        retry.to = .max
        var job = JobMachine.Job(name: "a", recurrence: .every(1), jitter: .max, timeout: .max, retry: retry)
        var machine = JobMachine(
            jobs: [job],
            limits: JobMachine.Limits(total: 0, clusters: ["x": 0]),
            generator: SeededGenerator(seed: 1),
            at: .max - 5
        )
        #expect(machine.advance(to: .max).contains(.start(.init(id: 1, job: "a", cause: .schedule, due: .max - 4))))
        _ = machine.runEnded(1, RunResult(.failed, summary: ""), at: .max)
        retry.from = -1
        retry.to = -1
        job.retry = retry
        job.jitter = -1
        _ = machine.reload([job, job], limits: JobMachine.Limits(total: 1), at: .min)
        _ = machine.advance(to: .max)
        #expect(machine.waitUntil == nil)
    }
}
