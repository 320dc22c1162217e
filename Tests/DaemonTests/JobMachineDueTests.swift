import Daemon
import Foundation
import Schedule
import TestSupport
import Testing

@Suite struct JobMachineDueTests {
    @Test("A due time is run once, when it comes")
    func runsOnce() {
        var bench = JobBench([every(60)], at: 30)
        #expect(bench.advance(30) == [])
        #expect(bench.waitUntil == 60)
        #expect(bench.advance(59) == [])
        #expect(bench.advance(60) == ["start a#1 schedule due 60"])
        #expect(bench.advance(60) == [])
        #expect(bench.waitUntil == 120)
        #expect(bench.machine.nextDue("a") == 120 * second)
        #expect(bench.ended(1, at: 70) == [])
        #expect(bench.advance(121) == ["start a#2 schedule due 120"])
        #expect(bench.machine.status("a")?.lastDue == 120 * second)
    }

    @Test("A clock that is set back repeats nothing")
    func survivesClocks() {
        var bench = JobBench([every(60)], at: 30)
        #expect(bench.advance(60) == ["start a#1 schedule due 60"])
        #expect(bench.ended(1, at: 61) == [])
        #expect(bench.advance(20) == [])
        #expect(bench.advance(61) == [])
        #expect(bench.advance(120) == ["start a#2 schedule due 120"])
    }

    @Test("Jitter delays each due time by another span, none longer than it may be, and none is lost by it")
    func delays() throws {
        var bench = JobBench([every(60, overlap: .queue, jitter: 50)])
        var delays: [Int64] = []
        for run in Int64(1)...200 {
            let (time, lines) = try bench.wait()
            #expect(lines == ["start a#\(run) schedule due \(run * 60)"])
            delays.append(time - run * 60)
            #expect(bench.ended(run, at: time) == [])
        }
        #expect(try #require(delays.min()) >= 0)
        #expect(try #require(delays.max()) <= 50)
        #expect(Set(delays).count > 20)
    }

    @Test("The same seed delays by the same spans")
    func repeats() throws {
        var first = JobBench([every(60, jitter: 50)])
        var again = JobBench([every(60, jitter: 50)])
        for _ in 0..<20 { #expect(try first.wait() == again.wait()) }
    }

    @Test("Of what was due while no daemon ran one run is made up, or none")
    func missed() {
        let histories = ["a": JobMachine.History(lastDue: 600 * second)]
        var once = JobBench([every(60)], histories: histories, at: 10_000)
        #expect(once.advance(10_000) == ["leave out a due 9960 overlap", "start a#1 missed due 9900"])
        #expect(once.ended(1, at: 10_010) == [])
        #expect(once.advance(10_020) == ["start a#2 schedule due 10020"])
        var none = JobBench([every(600, missed: .skip)], histories: histories, at: 10_000)
        #expect(none.advance(10_000) == ["leave out a due 9600 missed"])
        #expect(none.advance(10_200) == ["start a#1 schedule due 10200"])
    }

    @Test("What is found within a minute, or within its jitter and a minute, was not missed")
    func punctual() {
        let histories = ["a": JobMachine.History(lastDue: 0)]
        var exact = JobBench([every(600, missed: .skip)], histories: histories, at: 660)
        #expect(exact.advance(660) == ["start a#1 schedule due 600"])
        var late = JobBench([every(600, missed: .skip)], histories: histories, at: 661)
        #expect(late.advance(661) == ["leave out a due 600 missed"])
        var delayed = JobBench([every(600, missed: .skip, jitter: 100)], histories: histories, at: 760)
        #expect(delayed.advance(760) == ["start a#1 schedule due 600"])
    }

    @Test("A daemon that slept has missed what was due meanwhile")
    func slept() {
        var bench = JobBench([every(600)], at: 0)
        #expect(bench.advance(600) == ["start a#1 schedule due 600"])
        #expect(bench.ended(1, at: 601) == [])
        #expect(bench.advance(100_000) == ["start a#2 missed due 99600"])
        #expect(bench.waitUntil == 100_200)
    }

    @Test("A job that is new, or whose last due time lies ahead, has missed nothing")
    func newJobs() {
        var bench = JobBench([every(60)], at: 10_000)
        #expect(bench.advance(10_000) == [])
        #expect(bench.waitUntil == 10_020)
        let histories = ["a": JobMachine.History(lastDue: 50_000 * second)]
        #expect(JobBench([every(60)], histories: histories, at: 10_000).waitUntil == 10_020)
    }

    @Test("What is due while the run before goes on is left out")
    func leavesOut() {
        var bench = JobBench([every(60)])
        #expect(bench.advance(60) == ["start a#1 schedule due 60"])
        #expect(bench.advance(120) == ["leave out a due 120 overlap"])
        #expect(bench.ended(1, at: 130) == [])
        #expect(bench.advance(180) == ["start a#2 schedule due 180"])
    }

    @Test("Or of that one run waits")
    func queues() {
        var bench = JobBench([every(60, overlap: .queue)])
        #expect(bench.advance(60) == ["start a#1 schedule due 60"])
        #expect(bench.advance(120) == [])
        #expect(bench.machine.status("a")?.phase == .running)
        #expect(bench.advance(180) == ["leave out a due 180 overlap"])
        #expect(bench.ended(1, at: 190) == ["start a#2 schedule due 120"])
        #expect(bench.ended(2, at: 200) == [])
        #expect(bench.advance(240) == ["start a#3 schedule due 240"])
    }

    @Test("Cron expressions are followed over a change of the clocks")
    func cron() throws {
        let berlin = try #require(TimeZone(identifier: "Europe/Berlin"))
        let job = JobMachine.Job(name: "n", recurrence: try Recurrence(parsing: "30 2 * * *", in: berlin))
        // 2026-03-28 12:00 in Berlin.
        var bench = JobBench([job], at: 1_774_695_600)
        #expect(try bench.wait() == (1_774_746_000, ["start n#1 schedule due 1774746000"]))
        #expect(bench.ended(1, at: 1_774_746_001) == [])
        #expect(bench.waitUntil == 1_774_830_600)
    }

    @Test("A job without times waits for nothing")
    func manual() {
        var bench = JobBench([JobMachine.Job(name: "m", recurrence: .manual)])
        #expect(bench.advance(1000) == [])
        #expect(bench.waitUntil == nil)
        #expect(bench.machine.nextDue("m") == nil)
        #expect(bench.machine.status("other") == nil)
    }
}
