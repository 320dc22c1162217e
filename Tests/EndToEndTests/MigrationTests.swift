import Foundation
import TestSupport
import Testing

/// `cistern migrate` as a user runs it; buckets are read back one sequence at a time, by the test's own client.
@Suite("Migrating a bucket in place")
struct MigrationTests {
    @Test("Another storage, history and age: everything is there, at its revision", arguments: ServerBinary.all)
    func migrates(binary: ServerBinary) async throws {
        let rig = try await Rig(binary)
        defer { rig.close() }
        try await rig.createBucket("b", history: 64, more: #""deny_delete":false"#)
        var generator = BucketGenerator(entries: 1500, seed: 21)
        generator.largeValues = 1
        let fixed = generator
        try await rig.server.withClient { _ = try fixed.write(to: "b", with: $0) }
        let before = try await rig.messages("b")
        let old = try await rig.configuration("b")
        let arguments = ["migrate", "b", "--archive", rig.archive, "--set", "storage=memory", "--json"]
        let planned = try Report(try await rig.cistern(arguments + ["--plan"]))
        #expect(try planned.number("is_plan") == 1)
        #expect(try await rig.messages("b") == before)
        #expect(try await rig.configuration("b") == old, "a plan changes nothing")
        let report = try Report(try await rig.cistern(arguments + ["--yes"]))
        #expect(try report.text("outcome") == "migrated")
        let new = try await rig.configuration("b")
        #expect(new == old.replacing(#""storage":"file""#, with: #""storage":"memory""#))
        let after = try await rig.messages("b")
        if binary.isAtLeast("2.12") {
            #expect(after == before, "in memory, exact from 2.12 on")
            // Whoever read a revision before the migration may expect it after.
            let (known, last) = (try #require(before.last), try await rig.lastSequence("b"))
            let next = try await rig.server.withClient { client in
                let expectation = RawHeader("Nats-Expected-Last-Subject-Sequence", "\(known.seq)")
                let put = RawPut(key: known.key(in: "b"), headers: [expectation], value: [1])
                return try client.putMany("b", [put])
            }
            #expect(next == last + 1)
            try await rig.server.withClient { try $0.deleteMessage("KV_b", seq: next) }
        } else {
            #expect(after.map(\.subject) == before.map(\.subject))
            #expect(after.map(\.data) == before.map(\.data))
        }
        // And back, which is exact everywhere.
        let back = try await rig.cistern(["migrate", "b", "--archive", rig.archive, "--set", "storage=file", "--yes"])
        #expect((back.outputText + back.errorText).contains("took no writes for"), "\(back)")
        #expect(try await rig.messages("b") == after)
        #expect(try await rig.configuration("b") == old)
        try await rig.server.withClient { _ = try $0.put("b", "more", "x") }
    }

    @Test("What the server changes in place is changed in place")
    func inPlace() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("b", history: 5)
        try await rig.fill("b", count: 200, keys: 20, size: 50)
        let created = try await rig.server.withClient { try $0.streamInfo("KV_b").created }
        let report = try Report(
            try await rig.cistern(
                ["migrate", "b", "--archive", rig.archive, "--set", "history=3", "--set", "ttl=1h", "--yes", "--json"]
            )
        )
        #expect(try report.text("outcome") == "changed-in-place")
        #expect(try await rig.configuration("b").contains(#""max_msgs_per_subject":3"#))
        #expect(try await rig.server.withClient { try $0.streamInfo("KV_b").created } == created)
    }

    @Test("What the server would refuse is found before anybody is kept out")
    func refused() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("b")
        try await rig.fill("b", count: 50, keys: 20, size: 50)
        let (before, old) = (try await rig.messages("b"), try await rig.configuration("b"))
        let arguments = ["migrate", "b", "--archive", rig.archive, "--yes", "--set", "storage=memory", "--set"]
        let replicas = try await CisternProcess.run(arguments + ["replicas=3", "-s", rig.server.url])
        #expect(replicas.code == 1, "\(replicas)")
        #expect(replicas.errorText.contains("replicas"), "\(replicas)")
        let pause = try await CisternProcess.run(
            arguments + ["history=9", "--max-pause", "1ms", "-s", rig.server.url]
        )
        #expect(pause.code == 1, "\(pause)")
        #expect(try await rig.messages("b") == before)
        #expect(try await rig.configuration("b") == old)
        try await rig.server.withClient { _ = try $0.put("b", "more", "x") }
    }

    /// A step at which the process is killed, how long after it was written down, and the way out.
    private struct Kill: CustomTestStringConvertible {
        var step: String
        /// In microseconds.
        var delay: UInt32
        var way: String
        var testDescription: String { "\(step), \(delay / 1000) ms after, \(way)" }
    }

    private static let kills = ["trial", "fence", "capture", "delete", "restore"].flatMap { step in
        [UInt32(0), 130_000].flatMap { delay in
            ["--resume", "--rollback"].map { Kill(step: step, delay: delay, way: $0) }
        }
    }

    @Test("Killed at any step, it goes on or back, and the bucket is whole", arguments: kills)
    private func killed(kill: Kill) async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("b", history: 8)
        try await rig.fill("b", count: 3000, keys: 500, size: 200)
        let (before, old) = (try await rig.messages("b"), try await rig.configuration("b"))
        // Every request takes its time, so that a step lasts long enough to be met.
        let proxy = try TCPProxy(to: rig.server.port, delay: 50)
        defer { proxy.close() }
        try await rig.backup("b")
        let arguments = ["migrate", "b", "--archive", rig.archive]
        let process = try CisternProcess.start(
            arguments + ["--set", "storage=memory", "--yes", "-s", proxy.url]
        )
        try await rig.whenMigrating(kill.step, microseconds: kill.delay) { process.kill() }
        #expect(try await process.waitForExit().code == 137)
        // Somebody who does not know of it is told.
        let again = try await CisternProcess.run(
            arguments + ["--set", "storage=memory", "--yes", "-s", rig.server.url]
        )
        #expect(again.code != 0, "\(again)")
        if try await rig.exists("b") { #expect(again.errorText.contains("--resume"), "\(again)") }
        let result = try await CisternProcess.run(arguments + [kill.way, "--yes", "--json", "-s", rig.server.url])
        let isComplete = kill.way == "--rollback" && result.code != 0
        if isComplete {
            // There is one moment from which there is no way back: the new bucket is complete and takes writes.
            #expect(result.errorText.contains("--resume") || result.errorText.contains("done"), "\(result)")
            _ = try await CisternProcess.run(arguments + ["--resume", "--yes", "-s", rig.server.url])
        } else {
            #expect(result.code == 0, "\(result)")
        }
        let isNew = kill.way == "--resume" || isComplete
        let memory = old.replacing(#""storage":"file""#, with: #""storage":"memory""#)
        #expect(try await rig.configuration("b") == (isNew ? memory : old))
        #expect(try await rig.messages("b") == before)
        #expect(try rig.migrationSteps().last == (isNew ? "done" : "rolled-back"))
        let streams = try await rig.server.withClient { "\(try $0.api("STREAM.NAMES")["streams"] ?? [])" }
        #expect(streams.split(separator: "\"").count <= 1 || !streams.contains("CISTERN"), "nothing else is left")
        try await rig.server.withClient { _ = try $0.put("b", "more", "x") }
        try await rig.cistern(["verify", rig.archive])
    }
}

extension Rig {
    /// The stream's configuration, as text with its fields in order.
    fileprivate func configuration(_ bucket: String) async throws -> String {
        try await server.withClient { try $0.streamInfo("KV_" + bucket).configuration }
    }
}
