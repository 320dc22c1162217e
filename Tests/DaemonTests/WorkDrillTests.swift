import Archive
import Daemon
import KVModel
import TestSupport
import Testing

@Suite("Drill jobs")
struct WorkDrillTests {
    private static let versions = ServerBinary.all.filter { ["2.15.1", "2.9.10"].contains($0.version) }

    @Test("Every archived bucket is restored, compared and deleted again", arguments: versions)
    func proves(binary: ServerBinary) async throws {
        try await WorkRig.with(binary) { rig in
            try await rig.makeBucket("a")
            try await rig.makeBucket("b", entries: 7)
            #expect(await rig.runner.run(rig.backup(["*"])).outcome == .succeeded)
            let result = await rig.runner.run(rig.drill { $0.settings = ["storage=memory"] })
            #expect(result.outcome == .succeeded, "\(result)")
            #expect(result.entries == 27)
            #expect(result.summary.contains("27 entries proved; a restore takes the longest, of bucket "))
            #expect(try await rig.streams() == ["KV_a", "KV_b"])
            #expect(try rig.files() == ["main.cistern"])
            let run = try #require(try rig.reading { try $0.runs().last })
            #expect(run.kind == "drill")
            #expect(run.outcome == .succeeded)
            #expect(run.entries == 27)
        }
    }

    @Test("A scratch bucket that a killed drill left is deleted; one of somebody else is not", arguments: versions)
    func leftovers(binary: ServerBinary) async throws {
        try await WorkRig.with(binary) { rig in
            try await rig.makeBucket("a")
            #expect(await rig.runner.run(rig.backup(["a"])).outcome == .succeeded)
            let ours =
                binary.isAtLeast("2.10")
                ? #""metadata":{"cistern.drill":"drill"}"#
                : #""description":"[restore incomplete: x] [scratch bucket of the cistern drill drill]""#
            try await rig.makeBucket("cistern-drill-a", entries: 3, more: ours)
            // No pattern of a backup means it.
            #expect(await rig.runner.run(rig.backup(["*"])).summary.hasPrefix("bucket a backed up"))
            let result = await rig.runner.run(rig.drill())
            #expect(result.outcome == .succeeded, "\(result)")
            #expect(try await rig.streams() == ["KV_a"])
            try await rig.makeBucket("cistern-drill-a", entries: 3)
            let refused = await rig.runner.run(rig.drill())
            #expect(refused.outcome == .failed)
            #expect(refused.error?.contains("is no scratch bucket of this job") == true, "\(refused)")
            #expect(try await rig.server.withClient { try $0.streamInfo("KV_cistern-drill-a").messages } == 3)
            #expect(try rig.reading { try $0.runs().last?.outcome } == .failed)
        }
    }

    @Test("A drill that is cancelled leaves no scratch bucket", arguments: ["exact", "replay"])
    func cancelled(way: String) async throws {
        let binary = try ServerBinary.named(way == "exact" ? "2.15.1" : "2.11.11")
        try await WorkRig.with(binary) { rig in
            // Memory storage is restored by replay on 2.11.
            try await rig.makeBucket("a", entries: 400, size: 500)
            #expect(await rig.runner.run(rig.backup(["a"])).outcome == .succeeded)
            var cluster = ClusterSettings()
            cluster.servers = [rig.server.url]
            cluster.bytesPerSecond = 50_000
            await rig.connections.reload(["c": cluster])
            let job = rig.drill { $0.settings = way == "exact" ? [] : ["storage=memory"] }
            let told = ProgressCollector()
            let running = Task { await rig.runner.run(job, progress: told.add) }
            try await eventually("the restore") {
                // What is still unacknowledged of a replay does not count yet.
                guard told.last?.activity == "restoring a" else { return false }
                return try await way == "exact" ? told.last?.entries != 0 : rig.streams().count > 1
            }
            running.cancel()
            let result = await running.value
            #expect(result.outcome == .stopped, "\(result)")
            #expect(try await rig.streams() == ["KV_a"])
            #expect(try rig.files() == ["main.cistern"])
            #expect(try rig.reading { try $0.runs().last?.outcome } == .stopped)
        }
    }

    @Test("A drill of what cannot be restored fails, and leaves nothing")
    func fails() async throws {
        try await WorkRig.with { rig in
            let missing = await rig.runner.run(rig.drill())
            #expect(missing.outcome == .failed)
            #expect(missing.error?.contains("does not exist") == true, "\(missing)")
            try await rig.makeBucket("a")
            #expect(await rig.runner.run(rig.backup(["a"])).outcome == .succeeded)
            let result = await rig.runner.run(rig.drill { $0.settings = ["replicas=3"] })
            #expect(result.outcome == .failed)
            #expect(try await rig.streams() == ["KV_a"])
            let none = await rig.runner.run(rig.drill { $0.bucket = BucketName(unchecked: "zzz") })
            #expect(none.error?.contains("the archive holds no bucket zzz yet") == true, "\(none)")
        }
    }
}
