import Foundation
import TestSupport
import Testing

@Suite("Servers and connections that go away", .serialized)
struct InterruptionTests {
    /// A bucket that takes long enough for something to happen meanwhile.
    private func fill(_ rig: Rig) async throws {
        try await rig.createBucket("src", history: 5)
        try await rig.fill("src", count: 20_000, keys: 5000, size: 8000)
    }

    /// A replay of that bucket that has come to a halt in the middle of writing: its way to the server is stalled.
    private func stalledRestore(_ rig: Rig) async throws -> (CisternProcess, TCPProxy) {
        let proxy = try TCPProxy(to: rig.server.port)
        proxy.plan(.stall, at: 10_000_000, in: \.toServer)
        try await fill(rig)
        try await rig.backup("src")
        let arguments = ["restore", rig.archive, "--as", "copy", "--mode", "replay", "--json", "-s", proxy.url]
        let process = try CisternProcess.start(arguments)
        try await eventually("the proxy to stall") { proxy.faults == 1 }
        return (process, proxy)
    }

    @Test("A capture survives cut connections")
    func captureThroughCuts() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let proxy = try TCPProxy(to: rig.server.port)
        defer { proxy.close() }
        proxy.plan(.cut, at: 8_000_000, 16_000_000, 24_000_000, in: \.toClient)
        try await fill(rig)
        let process = try CisternProcess.start(["backup", "src", "--archive", rig.archive, "--json", "-s", proxy.url])
        let report = try Report(try await process.waitForExit())
        #expect(try report.number("consistent_revision") == 20_000)
        #expect(proxy.faults == 3)
        #expect(try report.number("interruptions") > 0)
        try await rig.restore(as: "copy")
        try await rig.expectEqual("src", "copy", history: 5)
    }

    @Test("A replay survives cut connections")
    func restoreThroughCuts() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let proxy = try TCPProxy(to: rig.server.port)
        defer { proxy.close() }
        proxy.plan(.cut, at: 8_000_000, 16_000_000, 24_000_000, in: \.toServer)
        try await fill(rig)
        try await rig.backup("src")
        let arguments = ["restore", rig.archive, "--as", "copy", "--mode", "replay", "--json", "-s", proxy.url]
        let process = try CisternProcess.start(arguments)
        let report = try Report(try await process.waitForExit())
        #expect(proxy.faults == 3)
        #expect(try report.number("interruptions") > 0)
        try await rig.expectEqual("src", "copy", history: 5)
    }

    @Test("A capture survives the server's restart", arguments: [true, false])
    func captureThroughRestart(isKilled: Bool) async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let proxy = try TCPProxy(to: rig.server.port)
        defer { proxy.close() }
        proxy.plan(.stall, at: 10_000_000, in: \.toClient)
        try await fill(rig)
        let process = try CisternProcess.start(["backup", "src", "--archive", rig.archive, "--json", "-s", proxy.url])
        try await eventually("the proxy to stall") { proxy.faults == 1 }
        if isKilled { try await rig.server.kill() } else { try await rig.server.stop() }
        proxy.resume()
        try await rig.server.restart()
        let report = try Report(try await process.waitForExit())
        #expect(try report.number("consistent_revision") == 20_000)
        try await rig.restore(as: "copy", ["--mode", "replay"])
        try await rig.expectEqual("src", "copy", history: 5)
    }

    @Test(
        "A replay survives the server's restart; what it leaves meanwhile never looks finished",
        arguments: [true, false]
    )
    func restoreThroughRestart(isKilled: Bool) async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let (process, proxy) = try await stalledRestore(rig)
        defer { proxy.close() }
        if isKilled { try await rig.server.kill() } else { try await rig.server.stop() }
        proxy.resume()
        try await rig.server.restart()
        _ = try Report(try await process.waitForExit())
        try await rig.expectEqual("src", "copy", history: 5)
    }

    @Test("A replay whose server and process both die is taken up by the next")
    func restoreAbandoned() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let (process, proxy) = try await stalledRestore(rig)
        defer { proxy.close() }
        try await rig.server.kill()
        process.kill()
        proxy.resume()
        _ = try await process.waitForExit()
        try await rig.server.restart()
        let verified = try await rig.verifyAgainst("copy")
        #expect(verified.code == 3)
        #expect(verified.outputText.contains("unfinished") || verified.errorText.contains("unfinished"), "\(verified)")
        let report = try await rig.restore(as: "copy", ["--mode", "replay"])
        #expect(try report.number("resumed") > 0)
        try await rig.expectEqual("src", "copy", history: 5)
    }

    @Test(
        "An exact restore begins anew after cut connections and restarts of the server",
        arguments: ["file", "memory"]
    )
    func exactThroughCuts(storage: String) async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let proxy = try TCPProxy(to: rig.server.port)
        defer { proxy.close() }
        proxy.plan(.cut, at: 8_000_000, in: \.toServer)
        proxy.plan(.stall, at: 20_000_000, in: \.toServer)
        try await rig.createBucket("src", history: 5)
        try await rig.fill("src", count: 5000, keys: 1250, size: 8000)
        try await rig.backup("src")
        let arguments = ["restore", rig.archive, "--as", "copy", "--set", "storage=\(storage)", "--json"]
        let process = try CisternProcess.start(arguments + ["-s", proxy.url])
        try await eventually("the proxy to stall") { proxy.faults == 2 }
        try await rig.server.kill()
        proxy.resume()
        try await rig.server.restart()
        let report = try Report(try await process.waitForExit())
        #expect(try report.text("mode") == "exact")
        #expect(try report.number("interruptions") == 2)
        try await rig.expectEqual("src", "copy", history: 5, mode: .exact)
    }

    @Test("A following capture commits as it goes, and stops at a checkpoint when asked")
    func following() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("src")
        try await rig.fill("src", count: 1000, keys: 100, size: 100)
        let process = try CisternProcess.start([
            "backup", "src", "--archive", rig.archive, "--follow", "--commit-every", "100ms", "-s", rig.server.url,
        ])
        try await eventually("the first commit") { try await rig.consistentRevision() == 1000 }
        try await rig.fill("src", count: 500, keys: 100, size: 100, seed: 2)
        try await eventually("the second commit") { try await rig.consistentRevision() == 1500 }
        process.send(SIGTERM)
        let result = try await process.waitForExit()
        #expect(result.code == 143, "\(result)")
        try await rig.restore(as: "copy")
        try await rig.expectEqual("src", "copy")
    }
}

extension Rig {
    /// The newest consistent revision that the archive holds, as a reader beside the writer sees it; 0 before the first.
    func consistentRevision() async throws -> UInt64 {
        let result = try await CisternProcess.run(["show", archive, "--json"])
        guard result.code == 0 else { return 0 }
        let pattern = /"consistent_revision"\s*:\s*(\d+)/
        return result.outputText.firstMatch(of: pattern).flatMap { UInt64($0.1) } ?? 0
    }
}
