import Foundation
import TestSupport
import Testing

@Suite("SIGTERM in the middle of work, with a server that says nothing more", .serialized)
struct StopTests {
    /// A bucket that takes long enough, and a way to its server that stalls after so many bytes.
    private func stalling(
        _ rig: Rig,
        at mark: Int,
        in direction: any KeyPath<TCPProxy.Count, Int> & Sendable
    ) async throws -> TCPProxy {
        try await rig.createBucket("src", history: 5)
        try await rig.fill("src", count: 10_000, keys: 2500, size: 2000)
        let proxy = try TCPProxy(to: rig.server.port)
        proxy.plan(.stall, at: mark, in: direction)
        return proxy
    }

    private func stop(_ arguments: [String], _ proxy: TCPProxy) async throws {
        let process = try CisternProcess.start(arguments)
        try await eventually("the proxy to stall") {
            try #require(process.isRunning || proxy.faults == 1, "\(process.errorText)")
            return proxy.faults == 1
        }
        let asked = ContinuousClock.now
        process.send(SIGTERM)
        let result = try await process.waitForExit(timeout: .seconds(60))
        #expect(asked.duration(to: .now) < .seconds(10), "\(result)")
        #expect(result.code == 143, "\(result)")
    }

    /// Through the server's snapshot, and, with a rate, through a consumer.
    @Test("A capture stops, and the next goes on", arguments: [(500_000, []), (12_000_000, ["--rate", "1GiB/s"])])
    func capture(mark: Int, options: [String]) async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let proxy = try await stalling(rig, at: mark, in: \.toClient)
        defer { proxy.close() }
        try await stop(["backup", "src", "--archive", rig.archive, "-s", proxy.url] + options, proxy)
        let report = try await rig.backup("src")
        #expect(try report.number("consistent_revision") == 10_000)
        try await rig.restore(as: "again")
        try await rig.expectEqual("src", "again", history: 5)
    }

    @Test("A restore stops, and the next goes on", arguments: ["replay", "exact"])
    func restore(mode: String) async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let proxy = try await stalling(rig, at: 8_000_000, in: \.toServer)
        defer { proxy.close() }
        try await rig.backup("src")
        try await stop(["restore", rig.archive, "--as", "copy", "--mode", mode, "-s", proxy.url], proxy)
        try await rig.restore(as: "copy", ["--mode", mode])
        try await rig.expectEqual("src", "copy", history: 5)
    }

    @Test("A mirror stops, and the next goes on")
    func mirror() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let proxy = try await stalling(rig, at: 8_000_000, in: \.toServer)
        defer { proxy.close() }
        try await stop(["mirror", "src", "copy", "-s", proxy.url], proxy)
        let result = try await CisternProcess.run(["mirror", "src", "copy", "--once", "-s", rig.server.url])
        #expect(result.code == 0, "\(result)")
        try await rig.expectEqualKeys("src", "copy")
    }

    /// A migration under way by a slow way to the server, so that each step lasts long enough to be met.
    ///
    /// Answers what the bucket holds as well.
    private func migrating(_ rig: Rig, _ proxy: TCPProxy) async throws -> (CisternProcess, [RawMessage]) {
        try await rig.createBucket("b", history: 8)
        try await rig.fill("b", count: 3000, keys: 500, size: 200)
        try await rig.backup("b")
        let messages = try await rig.messages("b")
        let process = try CisternProcess.start(
            ["migrate", "b", "--archive", rig.archive, "--set", "storage=memory", "--yes", "-s", proxy.url]
        )
        return (process, messages)
    }

    private func awaitFence(_ rig: Rig, _ process: CisternProcess) async throws {
        try await eventually("the fence") {
            // What it said then shows below.
            guard process.isRunning else { return true }
            return try await rig.server.withClient {
                try $0.streamInfo("KV_b").configuration.contains("cistern-fence-b-")
            }
        }
    }

    @Test("A migration that is stopped while it keeps writers out lets them in again", arguments: [SIGINT, SIGTERM])
    func migrationWhileFenced(signal: Int32) async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let proxy = try TCPProxy(to: rig.server.port, delay: 50)
        defer { proxy.close() }
        let (process, before) = try await migrating(rig, proxy)
        try await awaitFence(rig, process)
        process.send(signal)
        let result = try await process.waitForExit(timeout: .seconds(60))
        #expect(result.code == 128 + signal, "\(result)")
        #expect(result.errorText.contains("takes writes"), "\(result)")
        #expect(try rig.migrationSteps().last == "rolled-back", "\(result)")
        #expect(try await rig.messages("b") == before)
        try await rig.server.withClient { _ = try $0.put("b", "more", "x") }
    }

    @Test(
        "A migration that is stopped after that says how it goes on, and does",
        arguments: ["--resume", "--rollback"]
    )
    func migrationWhileRestoring(way: String) async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let proxy = try TCPProxy(to: rig.server.port, delay: 50)
        defer { proxy.close() }
        let (process, before) = try await migrating(rig, proxy)
        try await rig.whenMigrating("restore", microseconds: 0) { process.send(SIGTERM) }
        let result = try await process.waitForExit(timeout: .seconds(60))
        #expect(result.code == 143, "\(result)")
        #expect(result.errorText.contains("--resume goes on"), "\(result)")
        try await rig.cistern(["migrate", "b", "--archive", rig.archive, way, "--yes"])
        #expect(try rig.migrationSteps().last == (way == "--resume" ? "done" : "rolled-back"))
        #expect(try await rig.messages("b") == before)
        try await rig.server.withClient { _ = try $0.put("b", "more", "x") }
    }

    @Test("A migration that cannot let writers in again says what does")
    func migrationCutOff() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let proxy = try TCPProxy(to: rig.server.port, delay: 50)
        defer { proxy.close() }
        let (process, before) = try await migrating(rig, proxy)
        try await awaitFence(rig, process)
        proxy.close()
        process.send(SIGTERM)
        let result = try await process.waitForExit(timeout: .seconds(60))
        #expect(result.errorText.contains("nobody can write to it now"), "\(result)")
        try await rig.cistern(["migrate", "b", "--archive", rig.archive, "--rollback", "--yes"])
        #expect(try await rig.messages("b") == before)
        try await rig.server.withClient { _ = try $0.put("b", "more", "x") }
    }
}
