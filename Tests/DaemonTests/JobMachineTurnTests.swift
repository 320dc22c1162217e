import Daemon
import Schedule
import TestSupport
import Testing

@Suite struct JobMachineTurnTests {
    @Test("No more runs go at once than the limit, and the oldest waits the least")
    func total() {
        var bench = JobBench([every(100, "c"), every(60, "b"), every(50, "a"), every(70, "d")], total: 1)
        #expect(bench.advance(50) == ["start a#1 schedule due 50"])
        #expect(bench.advance(70) == [])
        #expect(bench.machine.status("b")?.phase == .queued)
        #expect(bench.waitUntil == 100)
        #expect(bench.advance(100) == ["leave out a due 100 overlap"])
        #expect(bench.ended(1, at: 101) == ["start b#2 schedule due 60"])
        #expect(bench.ended(2, at: 102) == ["start d#3 schedule due 70"])
        #expect(bench.ended(3, at: 103) == ["start c#4 schedule due 100"])
        #expect(bench.ended(4, at: 104) == [])
    }

    @Test("What is due at the same time begins in the file's order")
    func order() {
        var bench = JobBench([every(60, "z"), every(60, "m"), every(60, "a")], total: 2)
        #expect(bench.advance(60) == ["start z#1 schedule due 60", "start m#2 schedule due 60"])
        #expect(bench.ended(2, at: 61) == ["start a#3 schedule due 60"])
    }

    @Test("A cluster has a limit of its own, which keeps nobody else from beginning")
    func clusters() {
        var bench = JobBench(
            [every(60, "a", clusters: ["east"]), every(60, "b", clusters: ["east", "west"]), every(60, "c")],
            clusters: ["east": 1]
        )
        #expect(bench.advance(60) == ["start a#1 schedule due 60", "start c#2 schedule due 60"])
        #expect(bench.ended(1, at: 61) == ["start b#3 schedule due 60"])
    }

    @Test("An archive has one writer")
    func archives() {
        var bench = JobBench([every(60, "a", archive: "x"), every(60, "b", archive: "x"), every(60, "c", archive: "y")])
        #expect(bench.advance(60) == ["start a#1 schedule due 60", "start c#2 schedule due 60"])
        #expect(bench.ended(2, at: 61) == [])
        #expect(bench.ended(1, at: 62) == ["start b#3 schedule due 60"])
    }

    @Test("A younger run never takes what an older one waits for")
    func fairness() {
        // b needs both clusters; c and d would keep one of them busy for ever.
        var bench = JobBench(
            [
                every(100, "a", clusters: ["east"]), every(101, "b", clusters: ["east", "west"]),
                every(102, "c", clusters: ["west"]), every(103, "d"),
            ],
            clusters: ["east": 1, "west": 1]
        )
        #expect(bench.advance(100) == ["start a#1 schedule due 100"])
        #expect(bench.advance(101) == [])
        #expect(bench.advance(102) == [])
        #expect(bench.advance(103) == ["start d#2 schedule due 103"])
        #expect(bench.ended(1, at: 104) == ["start b#3 schedule due 101"])
        #expect(bench.ended(3, at: 105) == ["start c#4 schedule due 102"])
    }

    @Test("What runs all the time counts among no limit")
    func unlimited() {
        var bench = JobBench(
            [always("l", clusters: ["east"]), always("m", clusters: ["east"]), every(60, "a", clusters: ["east"])],
            total: 1,
            clusters: ["east": 1]
        )
        #expect(bench.advance(0) == ["start l#1 schedule", "start m#2 schedule"])
        #expect(bench.advance(60) == ["start a#3 schedule due 60"])
    }

    @Test("It makes way for a run that wants to write its archive, and goes on after that")
    func makesWay() {
        var bench = JobBench([always("l", archive: "x"), every(60, "a", archive: "x"), every(60, "b", archive: "x")])
        #expect(bench.advance(0) == ["start l#1 schedule"])
        #expect(bench.advance(60) == ["stop l#1 makesWay"])
        #expect(bench.advance(61) == [])
        #expect(bench.ended(1, .stopped, at: 62) == ["start a#2 schedule due 60"])
        #expect(bench.ended(2, at: 63) == ["start b#3 schedule due 60"])
        #expect(bench.ended(3, at: 64) == ["start l#4 schedule"])
        #expect(bench.machine.status("l")?.failures == 0)
    }

    @Test("It does not make way for a run that could not begin anyhow")
    func staysOtherwise() {
        var bench = JobBench([always("l", archive: "x"), every(50, "b"), every(60, "a", archive: "x")], total: 1)
        #expect(bench.advance(0) == ["start l#1 schedule"])
        #expect(bench.advance(50) == ["start b#2 schedule due 50"])
        #expect(bench.advance(60) == [])
        #expect(bench.ended(2, at: 70) == ["stop l#1 makesWay"])
        #expect(bench.ended(1, .stopped, at: 71) == ["start a#3 schedule due 60"])
    }
}
