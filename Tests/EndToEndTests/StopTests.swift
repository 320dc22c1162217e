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

    @Test("A capture stops, and the next goes on")
    func capture() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let proxy = try await stalling(rig, at: 12_000_000, in: \.toClient)
        defer { proxy.close() }
        try await stop(["backup", "src", "--archive", rig.archive, "-s", proxy.url], proxy)
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
}
