import Archive
import KVModel
import Schedule
import TestSupport
import Testing

@testable import Daemon

@Suite("Runs under a lease")
struct WorkLeaseTests {
    @Test("A run whose lease another daemon has taken over since writes nothing into the archive")
    func fenced() async throws {
        try await WorkRig.with { rig in
            try await rig.makeBucket("a")
            let job = rig.backup(["a"])
            #expect(await rig.runner.run(job, lease: lease("nightly", token: 7)).outcome == .succeeded)
            try await rig.server.withClient { _ = try $0.put("a", "k", "v") }
            let result = await rig.runner.run(job, lease: lease("nightly", token: 6))
            #expect(result.outcome == .failed)
            #expect(result.error?.contains("another daemon took the job over") == true, "\(result)")
            // Another job has tokens of its own, in the same archive.
            #expect(await rig.runner.run(rig.backup(["a"], "other"), lease: lease("other", token: 1)).entries == 1)
            #expect(try rig.files() == ["main.cistern"])
        }
    }

    @Test("A run whose lease is over writes nothing more, also where nobody else has written")
    func lapsed() async throws {
        try await WorkRig.with { rig in
            try await rig.makeBucket("a")
            let job = rig.backup(["a"])
            #expect(await rig.runner.run(job, lease: lease("nightly", token: 7)).outcome == .succeeded)
            let before = try rig.reading { try $0.runs().count }
            try await rig.server.withClient { _ = try $0.put("a", "k", "v") }
            let over = lease("nightly", token: 7)
            over.end()
            let result = await rig.runner.run(job, lease: over)
            #expect(result.outcome == .failed)
            #expect(result.error?.contains("lease of job nightly is over") == true, "\(result)")
            #expect(try rig.reading { try $0.runs().count } == before)
            #expect(await rig.runner.run(job, lease: lease("nightly", token: 8)).entries == 1)
        }
    }

    @Test("What came to its end after its lease did was not done by this daemon")
    func late() throws {
        let lease = lease("nightly", token: 7)
        let settings = JobSettings(
            name: "nightly",
            work: .verify(VerifyWork(archive: "main")),
            schedule: .manual,
            line: 1
        )
        let run = JobMachine.Run(id: 1, job: "nightly", cause: .schedule, attempt: 1, due: nil)
        let record = RunRecord(job: "nightly", kind: "prune", cause: .schedule, attempt: 1, started: 0, daemon: "a")
        let running = RunningRun(run, settings, record, lease)
        let done = RunResult(.succeeded, summary: "done")
        #expect(!running.hasLostLease)
        #expect(running.result(done, hasLostLease: false).outcome == .succeeded)
        lease.end()
        #expect(running.hasLostLease)
        #expect(running.result(done, hasLostLease: true).outcome == .stopped)
    }

    private func lease(_ job: String, token: UInt64) -> Lease {
        let now = ContinuousClock.now
        return Lease(
            job: job,
            fencing: FencingToken(scope: "leases/\(job)", value: token),
            holder: LeaseHolder(daemon: "a"),
            validUntil: now + .seconds(600),
            renewAt: now + .seconds(300),
            now: { now }
        )
    }
}
