import Archive
import KVModel
import TestSupport
import Testing

@testable import Daemon

@Suite("What a keeper decides")
struct LeaseTableTests {
    private let timing: LeaseTiming
    private let start = ContinuousClock.now
    private let me = LeaseHolder(daemon: "me")
    private var random = SeededGenerator(seed: 1)

    init() {
        var settings = LeaseSettings(cluster: "c")
        settings.duration = 30_000_000_000
        timing = LeaseTiming(settings)
    }

    private func table(_ jobs: String...) -> LeaseTable {
        var table = LeaseTable(timing: timing, me: me)
        table.candidates = Set(jobs)
        return table
    }

    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    private func lease(_ job: String, until end: Double) -> Lease {
        Lease(
            job: job,
            fencing: .init(scope: "b/\(job)", value: 1),
            holder: me,
            validUntil: at(end),
            renewAt: at(0),
            now: { [start] in start }
        )
    }

    @Test("A lease is not valid as long as the server keeps it")
    func times() {
        #expect(timing.validity < timing.duration && timing.renewal * 2 < timing.validity)
        #expect(timing.renewal + timing.request + timing.retry < timing.validity)
        #expect(timing.silence > timing.renewal * 2)
        #expect(timing.duration + timing.spread + timing.restraint < timing.duration * 2)
    }

    @Test("A free job is tried for within the spread")
    mutating func free() {
        var table = table("a", "b")
        #expect(table.attempts(at: at(0), using: &random) == [])
        let found = table.attempts(at: at(3), using: &random)
        #expect(Set(found.map { "\($0)" }) == ["take(\"a\")", "take(\"b\")"])
    }

    @Test("A job of somebody else is left alone until it is silent for long, or given up")
    mutating func taken() {
        var table = table("a")
        let other = LeaseHolder(daemon: "other")
        for second in stride(from: 0.0, through: 60, by: 10) {
            table.saw(LeaseKey.job("a"), UInt64(second) + 1, other, at: at(second))
            #expect(table.attempts(at: at(second), using: &random) == [])
            #expect(table.attempts(at: at(second + 9.9), using: &random) == [])
        }
        #expect(table.holders(at: at(89)).mapValues(\.daemon) == ["a": "other"])
        #expect(table.holders(at: at(91)) == [:])
        #expect(table.attempts(at: at(82), using: &random) == [])
        #expect(table.attempts(at: at(82.6), using: &random) == [])
        #expect(table.attempts(at: at(85.6), using: &random) == [.take("a")])
        table.putOff("a", to: at(88))
        #expect(table.attempts(at: at(87), using: &random) == [])
        #expect(table.attempts(at: at(88), using: &random) == [.take("a")])
        // An entry that arrives late does not count, a marker does.
        table.saw(LeaseKey.job("a"), 100, nil, at: at(90))
        table.saw(LeaseKey.job("a"), 99, other, at: at(91))
        #expect(table.attempts(at: at(91), using: &random) == [.take("a")])
    }

    @Test("Who has its share leaves a free job to others, once")
    mutating func restraint() {
        var table = table("a", "b", "c", "d")
        let other = LeaseHolder(daemon: "other")
        table.saw(LeaseKey.daemon(other), 1, other, at: at(0))
        #expect(table.share(at: at(0)) == 2 && table.daemons(at: at(0)).count == 2)
        #expect(table.attempts(at: at(0), using: &random) == [])
        let first = table.attempts(at: at(3), using: &random)
        #expect(first.count == 2)
        for case .take(let job) in first { table.insert(lease(job, until: 25)) }
        #expect(table.attempts(at: at(12.9), using: &random) == [])
        let second = table.attempts(at: at(13), using: &random)
        #expect(second.count == 2 && Set(second.map { "\($0)" }).isDisjoint(with: first.map { "\($0)" }))
        // When the other one is gone, this one has the share of all.
        #expect(table.share(at: at(31)) == 4)
    }

    @Test("A job is shared by those only who would run it")
    func shares() {
        var table = table("a", "b", "c", "d")
        var other = LeaseHolder(daemon: "other")
        other.jobs = ["a"]
        table.saw(LeaseKey.daemon(other), 1, other, at: at(0))
        #expect(table.share(at: at(0)) == 4)
        other.jobs = ["a", "b", "c", "d"]
        table.saw(LeaseKey.daemon(other), 2, other, at: at(0))
        #expect(table.share(at: at(0)) == 2)
        var third = LeaseHolder(daemon: "third")
        third.jobs = ["a", "b", "c", "d", "e"]
        table.saw(LeaseKey.daemon(third), 3, third, at: at(0))
        #expect(table.share(at: at(0)) == 2)
        table.candidates = ["a", "b", "c"]
        #expect(table.share(at: at(0)) == 1)
    }

    @Test("An entry of ours without a lease is given up before the job is tried for again")
    mutating func orphan() {
        var table = table("a")
        table.saw(LeaseKey.job("a"), 7, me, at: at(0))
        #expect(table.attempts(at: at(1), using: &random) == [.clear("a", 7)])
        table.putOff("a", to: at(5))
        #expect(table.attempts(at: at(4), using: &random) == [])
        table.saw(LeaseKey.job("a"), 8, nil, at: at(4))
        #expect(table.attempts(at: at(5), using: &random) == [.take("a")])
        table.forget(LeaseKey.job("a"), 7)
        #expect(table.holders(at: at(5)) == [:])
    }

    @Test("What is removed is over, and only once")
    mutating func removal() {
        var table = table("a")
        let (old, new) = (lease("a", until: 9), lease("a", until: 9))
        table.insert(old)
        table.insert(new)
        #expect(!table.remove(old) && !old.isValid && new.isValid)
        #expect(table.remove(new) && !table.remove(new) && !new.isValid)
    }

    @Test("Names of jobs become keys and back")
    func keys() {
        for name in ["nightly", "to west", "a.b", "täglich", "a=b", "*>", "."] {
            #expect(LeaseKey.job(name).isLegal)
            #expect(LeaseKey.jobName(LeaseKey.job(name)) == name)
        }
        #expect(LeaseKey.jobName("daemon.a.b") == nil)
        #expect(LeaseKey.jobName("job.a=4") == nil)
    }
}
