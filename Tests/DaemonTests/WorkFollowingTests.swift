import Archive
import Daemon
import KVModel
import Schedule
import TestSupport
import Testing

@Suite("Backup jobs that follow, where not all goes well")
struct WorkFollowingTests {
    @Test("A quiet bucket that could not be followed for a while counts as well once it is followed again")
    func quiet() async throws {
        try await WorkRig.with { rig in
            try await rig.makeBucket("a")
            try await rig.makeBucket("b")
            let follow: (inout BackupWork) -> Void = { work in
                work.follows = true
                work.commitEvery = 20_000_000
            }
            let first = ProgressCollector()
            let one = rig.backup(["a"], "one", follow)
            let holding = Task { await rig.runner.run(one, progress: first.add) }
            defer { holding.cancel() }
            try await eventually("the bucket to be read") { (first.last?.entries ?? 0) >= 20 }
            try await eventually("the bucket to be in the archive") { try rig.consistentRevision("a") == 20 }
            let told = ProgressCollector()
            let two = rig.backup(["a", "b"], "two", follow)
            let running = Task { await rig.runner.run(two, progress: told.add) }
            defer { running.cancel() }
            try await eventually("a warning") { told.last?.warning?.contains("job one captures it") == true }
            holding.cancel()
            _ = await holding.value
            // Nobody writes it: that it is read to its end is all there is to see.
            try await eventually("no warning") {
                told.last?.activity == "following 2 buckets" && told.last?.warning == nil
            }
            running.cancel()
            let result = await running.value
            #expect(result.outcome == .stopped)
            #expect(result.error == nil, "\(result)")
        }
    }
}
