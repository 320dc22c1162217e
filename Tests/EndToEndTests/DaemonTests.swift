import Foundation
import TestSupport
import Testing

@Suite("A daemon and its commands", .serialized)
struct DaemonTests {
    private static func clusters(_ rig: Rig) -> String {
        """
          here: { servers: ["\(rig.server.url)"] }
          gone: { servers: ["nats://127.0.0.1:1"], timeout: 1s }
        """
    }

    private static let jobs = """
          often:
            backup: { from: here, buckets: [src], to: main }
            schedule: "@every 1s"
            verify: true
          copy:
            mirror: { from: here/src, to: here/copy }
          drill:
            drill: { archive: main, on: here }
          broken:
            backup: { from: gone, buckets: [src], to: main }
            retry: { attempts: 1 }
        """

    @Test(
        "Jobs run by their schedules, and on request; a failing one is shown; what is paused rests; SIGTERM ends it all"
    )
    func life() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("src", history: 5)
        try await rig.fill("src", count: 200, keys: 50, size: 100)
        let daemon = try DaemonRig(clusters: Self.clusters(rig), jobs: Self.jobs)
        let process = try await daemon.serve()
        try await eventually("two scheduled backups") {
            try await daemon.runs("often").count { $0.text("outcome") == "succeeded" } >= 2
        }
        try await eventually("the mirror to have caught up") {
            try await rig.server.withClient { try $0.streamInfo("KV_copy").messages } == 200
        }
        let drill = try await daemon.run(["run", "drill"])
        #expect(drill.code == 0, "\(drill)")
        let broken = try await daemon.run(["run", "broken"])
        #expect(broken.code == 1, "\(broken)")
        let status = try await daemon.run(["status"])
        #expect(status.code == 1)
        #expect(status.outputText.contains("broken fails"), "\(status)")
        let unknown = try await daemon.run(["run", "brokn"])
        #expect(unknown.code == 64, "\(unknown)")
        #expect(unknown.errorText.contains("did you mean broken?"), "\(unknown)")

        #expect(try await daemon.run(["jobs", "--pause", "often"]).code == 0)
        let count = try await daemon.runs("often").count
        let asked = try await daemon.run(["run", "often"])
        #expect(asked.code == 0, "\(asked)")
        // A run may have begun before the pause; by schedule none comes any more.
        let rested = try await daemon.runs("often")
        #expect(rested.count - count <= 2)
        #expect(rested.first?.text("cause") == "request")
        #expect(try await daemon.job("often").text("state") == "paused")
        #expect(try await daemon.run(["jobs", "--resume", "often"]).code == 0)
        try await eventually("it to run by schedule again") {
            try await daemon.runs("often", limit: 1).first?.text("cause") == "schedule"
        }

        process.send(SIGTERM)
        let ended = try await process.waitForExit(timeout: .seconds(15))
        #expect(ended.code == 143, "\(ended)")
        #expect(!ended.errorText.contains("did not come to a checkpoint"), "\(ended)")
        #expect(!FileManager.default.fileExists(atPath: daemon.folder.file("main.cistern-wal")))
        try await rig.expectEqualKeys("src", "copy")
        let gone = try await daemon.run(["status"])
        #expect(gone.code == 69, "\(gone)")
    }

    @Test("A file read again changes what it says, disturbs no other run, and with mistakes changes nothing")
    func reload() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("src", history: 5)
        try await rig.fill("src", count: 20, keys: 5, size: 100)
        let daemon = try DaemonRig(clusters: Self.clusters(rig), jobs: Self.jobs)
        let process = try await daemon.serve()
        defer { process.kill() }
        try await eventually("the mirror to run") { try await daemon.job("copy").text("running_since") != "" }
        let since = try await daemon.job("copy").text("running_since")
        try daemon.edit(#"schedule: "@every 1s""#, "schedule: manual")
        process.send(SIGHUP)
        try await eventually("the schedule to change") { try await daemon.job("often").text("schedule") == "manual" }
        #expect(try await daemon.job("copy").text("running_since") == since)
        try daemon.edit("schedule: manual", "schedule: mnual")
        process.send(SIGHUP)
        try await eventually("the mistake to be told") { process.errorText.contains("stays as it was") }
        try daemon.edit("schedule: mnual", "schedule: manual")
        #expect(try await daemon.job("often").text("schedule") == "manual")
        #expect(try await daemon.job("copy").text("running_since") == since)
    }

    @Test("Without a daemon a job runs in the foreground, and is written down")
    func foreground() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("src", history: 5)
        try await rig.fill("src", count: 20, keys: 5, size: 100)
        let daemon = try DaemonRig(clusters: Self.clusters(rig), jobs: Self.jobs)
        let often = try await daemon.run(["run", "often"])
        #expect(often.code == 0, "\(often)")
        let copy = try await daemon.run(["run", "copy", "--here"])
        #expect(copy.code == 0, "\(copy)")
        try await rig.expectEqualKeys("src", "copy")
        let broken = try await daemon.run(["run", "broken"])
        #expect(broken.code == 1, "\(broken)")
        let process = try await daemon.serve()
        defer { process.kill() }
        #expect(try await daemon.runs("broken").count == 1)
        #expect(try await daemon.runs("copy").contains { $0.text("cause") == "request" })
    }

    @Test("With a full disk jobs fail and say so, though nothing can be written down; with room they go on")
    func fullDisk() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("src")
        try await rig.fill("src", count: 20, keys: 20, size: 100)
        let daemon = try DaemonRig(
            clusters: #"  here: { servers: ["\#(rig.server.url)"] }"#,
            archives: "  small: { path: disk/a.cistern }",
            jobs: #"  often: { backup: { from: here, buckets: [src], to: small }, schedule: "@every 1s" }"#
        )
        try daemon.edit("state: state.db", "state: disk/state.db")
        let disk = daemon.folder.file("disk")
        try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: false)
        let mount = try ChildProcess(.shell("mount -t tmpfs -o size=4m tmpfs '\(disk)'"))
        guard await mount.waitForExit().code == 0 else {
            // Only root may mount; everywhere else there is no small disk to fill.
            return
        }
        let process = try await daemon.serve()
        @Sendable func error() async throws -> String? {
            let jobs = try await daemon.status().fields["jobs"] as? [[String: Any]]
            let last = jobs?.first?["last_run"] as? [String: Any]
            return last?["outcome"] as? String == "succeeded" ? "" : last?["error"] as? String
        }
        try await eventually("a backup") { try await error() == "" }
        _ = await (try ChildProcess(.shell("cat /dev/zero > '\(disk)/fill'"))).waitForExit()
        try await rig.fill("src", count: 20, keys: 20, size: 100_000, seed: 2)
        try await eventually("the full disk to be told of") { try await error()?.contains("the disk is full") == true }
        try FileManager.default.removeItem(atPath: disk + "/fill")
        try await eventually("a backup with room") { try await error() == "" }
        process.send(SIGTERM)
        #expect(try await process.waitForExit(timeout: .seconds(20)).code == 143)
        try await rig.cistern(["verify", disk + "/a.cistern", "--against", "src"])
        _ = await (try ChildProcess(.shell("umount '\(disk)'"))).waitForExit()
    }
}
