import Daemon
import KVModel
import Schedule
import TestSupport
import Testing

@Suite("Mirror and reconcile jobs")
struct WorkMirrorTests {
    private func work(_ change: (inout MirrorWork) -> Void = { _ in }) throws -> MirrorWork {
        var work = MirrorWork(
            source: BucketLocation(cluster: "c", bucket: try BucketName("source")),
            target: BucketLocation(cluster: "c", bucket: try BucketName("target"))
        )
        change(&work)
        return work
    }

    @Test("A mirror on a schedule catches up and ends; one that runs always goes on until it is stopped")
    func mirrors() async throws {
        try await WorkRig.with { rig in
            try await rig.makeBucket("source")
            let work = try work()
            let once = await rig.runner.run(rig.job("to-target", .mirror(work)))
            #expect(once.outcome == .succeeded, "\(once)")
            #expect(once.entries == 20)
            #expect(try await rig.server.withClient { try $0.streamInfo("KV_target").messages } == 20)
            // What mirrors keep of themselves is nobody's data.
            let backup = await rig.runner.run(rig.backup(["*"]))
            #expect(backup.summary.hasPrefix("2 of 2 buckets"), "\(backup)")
            let told = ProgressCollector()
            var steady = work
            steady.reconcileEvery = 200_000_000
            let job = rig.job("to-target", .mirror(steady), .always)
            let running = Task { await rig.runner.run(job, progress: told.add) }
            try await eventually("the mirror is live") { told.last?.activity == "mirroring c/source" }
            try await rig.server.withClient { _ = try $0.put("source", "new", "value") }
            try await eventually("the new entry") { told.last?.entries == 1 }
            // What somebody else breaks is repaired while the mirror goes on.
            try await rig.server.withClient { _ = try $0.put("target", "new", "broken") }
            try await eventually("the repair") { rig.logs.warnings.contains { $0.contains("1 differed, 1 repaired") } }
            running.cancel()
            let result = await running.value
            #expect(result.outcome == .stopped, "\(result)")
        }
    }

    @Test("A reconciliation repairs what differs")
    func reconciles() async throws {
        try await WorkRig.with { rig in
            try await rig.makeBucket("source")
            let work = try work()
            #expect(await rig.runner.run(rig.job("to-target", .mirror(work))).outcome == .succeeded)
            try await rig.server.withClient { _ = try $0.put("target", "key.3", "broken") }
            let result = await rig.runner.run(rig.job("check", .reconcile(work)))
            #expect(result.outcome == .succeeded, "\(result)")
            #expect(result.summary.contains("1 differed, 1 repaired"))
            let again = await rig.runner.run(rig.job("check", .reconcile(work)))
            #expect(again.summary.hasPrefix("20 keys are the same"), "\(again)")
            try await rig.server.withClient { try $0.deleteStream("KV_target") }
            let missing = await rig.runner.run(rig.job("check", .reconcile(work)))
            #expect(missing.outcome == .failed)
            #expect(missing.error?.contains("there is no bucket target") == true, "\(missing)")
        }
    }
}
