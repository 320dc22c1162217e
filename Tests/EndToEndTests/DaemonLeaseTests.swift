import Foundation
import TestSupport
import Testing

@Suite("Daemons that share their jobs")
struct DaemonLeaseTests {
    private static let lease = 6.0
    private static let backups = (0..<8).map { "backup-\($0)" }
    private static let mirrors = (0..<4).map { "mirror-\($0)" }

    /// A daemon as it would be on a machine of its own: with archives of its own.
    private static func daemon(_ name: String, on server: ServerProcess) throws -> DaemonRig {
        try DaemonRig(
            name,
            clusters: #"  here: { servers: ["\#(server.url)"] }"#,
            archives: backups.map { "  \($0): { path: \($0).cistern }" }.joined(separator: "\n"),
            jobs: backups.map {
                "  \($0): { backup: { from: here, buckets: [src], to: \($0) }, schedule: \"@every 1s\" }"
            }.joined(separator: "\n") + "\n"
                + mirrors.map { "  \($0): { mirror: { from: here/src, to: here/\($0) } }" }.joined(separator: "\n"),
            daemon: "  leases: { cluster: here, bucket: leases, duration: \(Int(lease))s }\n  concurrency: 16"
        )
    }

    private struct Span: CustomStringConvertible {
        var daemon: String
        var job: String
        var start: Double
        var end: Double?
        var outcome: String
        var description: String { "\(daemon) \(job) \(start)-\(end ?? 0) \(outcome)" }
    }

    @Test(
        "Each job runs on one daemon at a time; another takes over from one that is stopped, whose late work is refused",
        arguments: ServerBinary.all.filter {
            ["2.15.1", "2.9.10"].contains($0.version) && (isLongRun || $0.version == "2.9.10")
        }
    )
    func stopped(binary: ServerBinary) async throws {
        let rig = try await Rig(binary)
        defer { rig.close() }
        try await rig.createBucket("src", history: 5)
        try await rig.fill("src", count: 100, keys: 20, size: 100)
        let writer = try BackgroundPuts(rig.server, bucket: "src")
        let daemons = try ["a", "b", "c"].map { try Self.daemon($0, on: rig.server) }
        let (first, second, third) = (daemons[0], daemons[1], daemons[2])
        let stopping = try await first.serve()
        let jobs = Self.backups + Self.mirrors
        try await eventually("every job to have run or to be running") {
            let spans = try await Self.spans([first])
            return jobs.allSatisfy { job in spans.contains { $0.job == job } }
        }
        // Those who come later get their part of what never rests.
        let processes = [stopping, try await second.serve(), try await third.serve()]
        try await eventually("each daemon to have a share") {
            let holders = try await Self.holders(second)
            return ["a", "b", "c"].allSatisfy { name in holders.values.count { $0 == name } == jobs.count / 3 }
        }

        let held = try await Self.holders(second).filter { $0.value == "a" }.map(\.key)
        let stopped = Date().timeIntervalSince1970
        stopping.send(SIGSTOP)
        try await eventually("others to have taken over") {
            let spans = try await Self.spans(Array(daemons.dropFirst()))
            return held.allSatisfy { job in spans.contains { $0.job == job && $0.start > stopped } }
        }
        for job in held {
            let begun = try await Self.spans(Array(daemons.dropFirst())).filter { $0.job == job && $0.start > stopped }
                .map(\.start).min()
            #expect(try #require(begun) - stopped < Self.lease * 2, "\(job)")
        }
        let woken = Date().timeIntervalSince1970
        stopping.send(SIGCONT)
        try await eventually("the woken daemon to notice", timeout: .seconds(30)) {
            stopping.errorText.contains("lease is lost")
        }
        try await eventually("the woken daemon's old runs to have ended") {
            try await Self.spans([daemons[0]]).allSatisfy { $0.start > stopped || $0.end != nil }
        }
        try await eventually("more runs of all backups") {
            let spans = try await Self.spans(daemons)
            return Self.backups.allSatisfy { job in spans.contains { $0.job == job && $0.start > woken + 1 } }
        }

        let written = try await writer.stop()
        for job in Self.mirrors {
            try await eventually("\(job) to have caught up") {
                // Of several keys the later one may come first.
                try await rig.messages(job).contains { $0.data == Array("value \(written)".utf8) }
            }
            try await rig.expectEqualKeys("src", job)
        }
        let spans = try await Self.spans(daemons)
        for process in processes { process.send(SIGTERM) }
        for process in processes { #expect(try await process.waitForExit(timeout: .seconds(20)).code == 143) }
        Self.expectDisjoint(spans, stopped: stopped, jobs)
    }

    private static func spans(_ daemons: [DaemonRig]) async throws -> [Span] {
        var spans: [Span] = []
        for daemon in daemons {
            for run in try await daemon.runs() {
                spans.append(
                    Span(
                        daemon: run.text("daemon"),
                        job: run.text("job"),
                        start: try #require(run.time("started")),
                        end: run.time("finished"),
                        outcome: run.text("outcome")
                    )
                )
            }
        }
        return spans
    }

    private static func holders(_ daemon: DaemonRig) async throws -> [String: String] {
        let status = try await daemon.status()
        var result: [String: String] = [:]
        for job in status.fields["jobs"] as? [[String: Any]] ?? [] {
            guard let name = job["job"] as? String, let holder = job["holder"] as? String else { continue }
            result[name] = holder
        }
        return result
    }

    /// No two daemons ran a job at once; what the stopped daemon was in the middle of ended, as a run, when it was stopped.
    private static func expectDisjoint(_ spans: [Span], stopped: Double, _ jobs: [String]) {
        for job in jobs {
            let mine = spans.filter { $0.job == job }.map { span in
                var span = span
                if span.daemon == "a", span.start <= stopped, span.end ?? .infinity > stopped {
                    #expect(span.outcome != "succeeded", "\(span)")
                    span.end = stopped
                }
                return span
            }.sorted { $0.start < $1.start }
            for (earlier, later) in zip(mine, mine.dropFirst()) where earlier.daemon != later.daemon {
                #expect(earlier.end ?? .infinity <= later.start, "\(earlier), then \(later)")
            }
        }
    }
}

/// Puts a value a moment into a bucket until it is stopped.
private final class BackgroundPuts: Sendable {
    private let task: Task<Int, any Error>

    init(_ server: ServerProcess, bucket: String) throws {
        let port = server.port
        task = Task {
            var count = 0
            while !Task.isCancelled {
                count += 1
                let number = count
                try await onOwnThread {
                    let client = try RawNATS(port: port)
                    defer { client.close() }
                    _ = try client.put(bucket, "late.\(number % 10)", "value \(number)")
                }
                do { try await Task.sleep(for: .milliseconds(20)) } catch { break }
            }
            return count
        }
    }

    /// How many were written.
    func stop() async throws -> Int {
        task.cancel()
        return try await task.value
    }
}
