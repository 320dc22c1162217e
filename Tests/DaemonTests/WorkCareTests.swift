import Archive
import Daemon
import Foundation
import JetStream
import KVModel
import KeyValue
import NATSClient
import Schedule
import TestSupport
import Testing

@Suite("Verify and prune jobs, and the connections of jobs")
struct WorkCareTests {
    private func verify(_ rig: WorkRig, against: String? = nil) throws -> JobSettings {
        var work = VerifyWork(archive: "main")
        work.against = try against.map { BucketLocation(cluster: "c", bucket: try BucketName($0)) }
        return rig.job("check", .verify(work))
    }

    @Test("A verification tells a sound archive from one that differs from the bucket, and from a damaged one")
    func verifies() async throws {
        try await WorkRig.with { rig in
            try await rig.makeBucket("a", entries: 50)
            #expect(await rig.runner.run(rig.backup(["a"])).outcome == .succeeded)
            let sound = await rig.runner.run(try verify(rig))
            #expect(sound.outcome == .succeeded, "\(sound)")
            #expect(sound.entries == 50)
            let same = await rig.runner.run(try verify(rig, against: "a"))
            #expect(same.outcome == .succeeded, "\(same)")
            #expect(same.summary.contains("50 entries are equal"))
            try await rig.server.withClient { try $0.deleteStream("KV_a") }
            try await rig.makeBucket("a", entries: 49)
            let different = await rig.runner.run(try verify(rig, against: "a"))
            #expect(different.outcome == .different, "\(different)")
            #expect(different.error?.contains("differs from the archive") == true)
            #expect(try rig.reading { try $0.runs().map(\.kind) } == ["backup", "verify", "verify", "verify"])
            var bytes = try Data(contentsOf: URL(fileURLWithPath: rig.path))
            // Inside the last pages, where the segments are.
            for index in stride(from: bytes.count / 2, to: bytes.count, by: 97) { bytes[index] ^= 0x55 }
            try bytes.write(to: URL(fileURLWithPath: rig.path))
            let damaged = await rig.runner.run(try verify(rig))
            #expect(damaged.outcome == .failed, "\(damaged)")
        }
    }

    @Test("A prune keeps what its policy says, of the buckets that it names")
    func prunes() async throws {
        try await WorkRig.with { rig in
            try await rig.makeBucket("a")
            try await rig.makeBucket("b")
            for round in 0..<3 {
                try await rig.server.withClient { client in
                    for name in ["a", "b"] { _ = try client.put(name, "k", "v\(round)") }
                }
                #expect(await rig.runner.run(rig.backup(["a", "b"])).outcome == .succeeded)
            }
            var work = PruneWork(archive: "main", retention: RetentionPolicy(last: 1))
            work.buckets = [try BucketName("a")]
            let result = await rig.runner.run(rig.job("prune", .prune(work)))
            #expect(result.outcome == .succeeded, "\(result)")
            #expect(result.summary.hasPrefix("2 points and "))
            #expect(!result.summary.contains("bytes"))
            work.buckets = []
            work.compacts = true
            let all = await rig.runner.run(rig.job("prune", .prune(work)))
            #expect(all.summary.contains("the file has"), "\(all)")
            #expect(try rig.files() == ["main.cistern"])
            try rig.reading { reader in
                for incarnation in try reader.incarnations() {
                    #expect(try reader.points(of: incarnation.id).count == 1)
                }
                #expect(try reader.runs().count { $0.kind == "prune" } == 2)
                #expect(try reader.verify().isSound)
            }
        }
    }

    @Test("A connection comes back after the server was away, and the runs in between fail with what to do")
    func reconnects() async throws {
        try await WorkRig.with { rig in
            try await rig.makeBucket("a")
            #expect(await rig.connections.status().map(\.isConnected) == [nil])
            #expect(await rig.runner.run(rig.backup(["a"])).outcome == .succeeded)
            #expect(await rig.connections.status().map(\.isConnected) == [true])
            try await rig.server.stop()
            try await rig.server.restart()
            #expect(await rig.runner.run(rig.backup(["a"])).outcome == .succeeded)
            #expect(rig.logs.warnings.count { $0.contains("the connection was lost") } == 1, "\(rig.logs.warnings)")
            var cluster = ClusterSettings()
            cluster.servers = ["nats://joe:hunter2@127.0.0.1:\(try FreePort.next())"]
            await rig.connections.reload(["c": cluster])
            let result = await rig.runner.run(rig.backup(["a"]))
            #expect(result.outcome == .failed)
            #expect(result.error?.contains("check the cluster's `servers`") == true, "\(result)")
            let missing = await rig.connections.status()
            #expect(missing.map(\.isMissing) == [true] && missing[0].failure?.isEmpty == false)
            await rig.connections.reload([:])
            #expect(await rig.connections.status().isEmpty)
            #expect(await rig.runner.run(rig.backup(["a"])).error?.contains("names no cluster \"c\"") == true)
            #expect(!"\(rig.logs.lines)\(result)".contains("hunter2"))
            // That we closed a connection ourselves is no warning.
            #expect(rig.logs.warnings.count { $0.contains("lost") || $0.contains("disconnected") } == 1)
        }
    }

    @Test("A cluster is reached by a context of the nats CLI, with the file's own settings laid over it")
    func contexts() async throws {
        var options = ServerProcess.Options()
        options.configuration = "authorization { user: joe, password: hunter2 }"
        let server = try await ServerProcess.start(options: options)
        defer { server.close() }
        let home = try TemporaryDirectory("home")
        try FileManager.default.createDirectory(
            atPath: home.file("nats/context"),
            withIntermediateDirectories: true
        )
        try #"{"url":"\#(server.url)","user":"joe","password":"wrong"}"#
            .write(toFile: home.file("nats/context/east.json"), atomically: true, encoding: .utf8)
        var cluster = ClusterSettings()
        cluster.context = "east"
        var right = cluster
        right.user = "joe"
        right.password = Secret("hunter2")
        let logs = LogCollector()
        let connections = ClusterConnections(
            ["wrong": cluster, "right": right],
            environment: ["XDG_CONFIG_HOME": home.path],
            version: "test",
            logger: logs.logger()
        )
        await #expect(throws: (any Error).self) { _ = try await connections.buckets(of: "wrong") }
        #expect(await connections.status().map(\.isMissing) == [false, true])
        #expect(try await connections.buckets(of: "right").list().isEmpty)
        // Two that need a connection at once have the same.
        async let one = connections.buckets(of: "right")
        async let two = connections.buckets(of: "right")
        let both = try await [one, two]
        #expect(both[0].context.connection === both[1].context.connection)
        await connections.close()
        await #expect(throws: DaemonError.self) { _ = try await connections.buckets(of: "right") }
        #expect(!logs.lines.joined().contains("hunter2"))
    }
}
