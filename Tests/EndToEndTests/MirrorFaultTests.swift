import Foundation
import TestSupport
import Testing

@Suite("Mirrors that are killed, cut off and left without servers", .serialized)
struct MirrorFaultTests {
    /// What is done to a mirror, and for how long.
    struct Plan: Sendable, CustomTestStringConvertible {
        var version: String
        var seconds: Double
        var kills: Int
        var restarts: Int
        var cuts: Int

        var testDescription: String { "\(version), \(Int(seconds)) s" }

        /// One short run, or those that take minutes.
        static var all: [Plan] {
            guard isLongRun else {
                return [Plan(version: "2.15.1", seconds: 10, kills: 3, restarts: 1, cuts: 2)]
            }
            return [
                Plan(version: "2.15.1", seconds: 300, kills: 20, restarts: 2, cuts: 10),
                Plan(version: "2.10.26", seconds: 300, kills: 20, restarts: 2, cuts: 10),
                Plan(version: "2.9.10", seconds: 120, kills: 8, restarts: 1, cuts: 4),
            ]
        }
    }

    private enum Fault: CaseIterable {
        case kill
        case restartSource
        case restartTarget
        case cut
    }

    /// A running mirror and the ways that it takes to its servers.
    private struct Run {
        let rig: MirrorRig
        let ways: [TCPProxy]

        init(_ rig: MirrorRig) throws {
            self.rig = rig
            ways = [try TCPProxy(to: rig.source.port), try TCPProxy(to: rig.target.port)]
        }

        func start() throws -> CisternProcess {
            try CisternProcess.start(rig.arguments(["--json"], from: ways[0].url, to: ways[1].url))
        }
    }

    @Test("Both sides are equal in the end, and no entry was ever written twice", arguments: Plan.all)
    func faults(plan: Plan) async throws {
        let binary = try ServerBinary.named(plan.version)
        let rig = try await MirrorRig(binary)
        defer { rig.close() }
        let hasTTL = binary.isAtLeast("2.11")
        try await rig.source.withClient {
            try $0.createBucket("src", history: 5, more: hasTTL ? #""allow_msg_ttl":true"# : "")
        }
        let writer = MixedWriter(
            port: rig.source.port,
            bucket: "src",
            keys: 300,
            perSecond: 1000,
            hasTTL: hasTTL,
            seed: 21
        )
        let run = try Run(rig)
        defer { for way in run.ways { way.close() } }
        let log = WriteLog(port: rig.target.port, bucket: "dst")
        try await torment(run, plan, seed: 22)
        let written = try await writer.stop()
        #expect(written > Int(plan.seconds * 500), "the writer was held up: it wrote \(written) entries")
        #expect(writer.reconnects >= plan.restarts)

        let report = try Report(try await rig.mirror(["--once", "--json"]))
        #expect(try report.text("outcome") == "caught-up")
        #expect(try report.number("from_revision") > 0, "the last run goes on where the others were")
        try await rig.expectEqual()
        try await expectNothingTwice(try await log.stop())
        let last = try await (rig.last(rig.source, "src"), rig.last(rig.target, "dst"))
        #expect(last.1 <= last.0, "\(last.1) writes to the target for \(last.0) to the source")
        let compared = try Report(try await rig.mirror(["--reconcile", "--dry-run", "--json"]))
        #expect(try compared.number("differences") == 0 && compared.number("equal") > 250)
    }

    /// Lets a mirror run and does to it what is planned, at seeded random moments; leaves none running.
    private func torment(_ run: Run, _ plan: Plan, seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        var faults = [Fault](repeating: .kill, count: plan.kills) + [Fault](repeating: .cut, count: plan.cuts)
        faults += [Fault](repeating: .restartSource, count: plan.restarts)
        faults += [Fault](repeating: .restartTarget, count: plan.restarts)
        faults.shuffle(using: &random)
        let clock = ContinuousClock()
        var mirror = try run.start()
        try await eventually("the mirror's first entries") { try await run.rig.holds(10) }
        let begin = clock.now
        let moments = faults.map { _ in Double.random(in: 0...plan.seconds, using: &random) }.sorted()
        for (fault, moment) in zip(faults, moments) {
            // The moment is what the test is about, not a condition.
            try await Task.sleep(until: begin + .seconds(moment), clock: clock)
            #expect(mirror.isRunning, "a mirror ended by itself: \(mirror.errorText)")
            switch fault {
            case .kill:
                mirror.kill()
                _ = try await mirror.waitForExit()
                mirror = try run.start()
            case .restartSource: try await run.rig.source.restart()
            case .restartTarget: try await run.rig.target.restart()
            case .cut: for way in run.ways where Int.random(in: 0..<3, using: &random) > 0 { way.cut() }
            }
        }
        try await Task.sleep(until: begin + .seconds(plan.seconds), clock: clock)
        #expect(mirror.isRunning, "a mirror ended by itself: \(mirror.errorText)")
        mirror.send(SIGTERM)
        let stopped = try await mirror.waitForExit()
        #expect(stopped.code == 143, "\(stopped)")
    }

    /// Looks at what was seen of the writes to the target: no revision of the source twice, those of a key in order.
    private func expectNothingTwice(_ log: [RawMessage]) async throws {
        var last: [[UInt8]: UInt64] = [:]
        var wrong: [String] = []
        for message in log {
            let line = try #require(MirrorRig.Line(target: message), "an entry of nobody: \(message)")
            if let before = last[message.subject], before >= line.revision {
                wrong.append("\(String(decoding: message.subject, as: UTF8.self)): \(line.revision) after \(before)")
            }
            last[message.subject] = line.revision
        }
        #expect(last.count > 250, "\(log.count) writes prove nothing")
        #expect(wrong.isEmpty, "\(wrong.count) entries twice or out of order: \(wrong.prefix(5))")
    }
}
