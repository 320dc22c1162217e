import Foundation
import TestSupport
import Testing

@Suite("A daemon over a long time")
struct DaemonSoakTests {
    private static let runs = isLongRun ? 2000 : 150

    @Test("Memory and descriptors stay as they are over many runs of every kind")
    func soak() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        for index in 0..<4 {
            try await rig.createBucket("src\(index)", history: 5)
            try await rig.fill("src\(index)", count: 200, keys: 50, size: 200)
        }
        let jobs = (0..<4).map { index in
            """
              backup-\(index): { backup: { from: here, buckets: [src\(index)], to: a\(index) }, schedule: "@every 1s" }
              drill-\(index): { drill: { archive: a\(index), on: here, prefix: "drill\(index)-" }, schedule: "@every 2s" }
              verify-\(index): { verify: { archive: a\(index), against: here/src\(index) }, schedule: "@every 2s" }
              prune-\(index): { prune: { archive: a\(index), keep: { last: 3 } }, schedule: "@every 2s" }
              reconcile-\(index): { reconcile: { from: here/src\(index), to: here/copy\(index) }, schedule: "@every 2s" }
              mirror-\(index): { mirror: { from: here/src\(index), to: here/copy\(index) } }
            """
        }
        let daemon = try DaemonRig(
            clusters: #"  here: { servers: ["\#(rig.server.url)"] }"#,
            archives: (0..<4).map { "  a\($0): { path: a\($0).cistern }" }.joined(separator: "\n"),
            jobs: jobs.joined(separator: "\n"),
            daemon: "  concurrency: 8"
        )
        let process = try await daemon.serve()
        defer { process.kill() }
        let warm = Self.runs / 4
        let before = try await measure(daemon, process, after: warm)
        let after = try await measure(daemon, process, after: Self.runs)
        // The short form ends before the allocator has come to rest.
        let room = isLongRun ? 10 << 20 : 32 << 20
        #expect(after.memory <= before.memory + room, "\(before), then \(after)")
        #expect(after.descriptors <= before.descriptors, "\(before), then \(after)")
        print("soak: after \(warm) runs \(before), after \(Self.runs) runs \(after)")
        let status = try await daemon.status()
        let jobViews = status.fields["jobs"] as? [[String: Any]] ?? []
        for job in jobViews {
            #expect((job["consecutive_failures"] as? NSNumber)?.intValue == 0, "\(job)")
        }
    }

    private struct Measure: CustomStringConvertible {
        var memory: Int
        var descriptors: Int
        var description: String { "\(memory >> 20) MiB, \(descriptors) descriptors" }
    }

    /// Measures the daemon after so many runs, paused, when it is at rest.
    private func measure(_ daemon: DaemonRig, _ process: CisternProcess, after count: Int) async throws -> Measure {
        try await eventually("\(count) runs", timeout: .seconds(1800)) {
            try await daemon.runs(limit: 1).first?.number("id") ?? 0 >= count
        }
        let names = (0..<4).flatMap { index in
            ["backup", "drill", "verify", "prune", "reconcile"].map { "\($0)-\(index)" }
        }
        let result = try await daemon.run(["jobs"] + names.flatMap { ["--pause", $0] })
        #expect(result.code == 0, "\(result)")
        try await eventually("the runs to have ended") {
            let status = try await daemon.status()
            let jobs = status.fields["jobs"] as? [[String: Any]] ?? []
            return jobs.allSatisfy { $0["running_since"] == nil || ($0["kind"] as? String) == "mirror" }
        }
        let pid = process.pid
        var lowest = Measure(memory: .max, descriptors: .max)
        for _ in 0..<20 {
            let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
            let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
            let kilobytes = line?.split(separator: " ").compactMap { Int($0) }.first ?? 0
            try #require(kilobytes > 0)
            let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count
            lowest.memory = min(lowest.memory, kilobytes << 10)
            lowest.descriptors = min(lowest.descriptors, descriptors)
            _ = try await daemon.run(["status"])
        }
        _ = try await daemon.run(["jobs"] + names.flatMap { ["--resume", $0] })
        return lowest
    }
}
