import Foundation
import TestSupport
import Testing

@Suite("A bucket that is replaced is backed up before", .serialized)
struct ReplaceTests {
    /// A bucket, its archive, and what was written to it after that.
    private func changed(_ rig: Rig, count: Int = 400, size: Int = 100) async throws -> [RawMessage] {
        try await rig.createBucket("app", history: 5)
        try await rig.fill("app", count: count, keys: 90, size: size)
        try await rig.backup("app")
        try await rig.fill("app", count: count, keys: 120, size: size, seed: 2)
        return try await rig.messages("app")
    }

    private func safetyBackups(_ rig: Rig) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: rig.folder.path)
            .filter { $0.hasPrefix("test.before-replace-app-") && $0.hasSuffix(".cistern") }
            .sorted().map(rig.folder.file)
    }

    private func expectExact(_ rig: Rig, _ expected: [RawMessage], _ bucket: String = "app") async throws {
        let found = try await rig.messages(bucket)
        let differences = BucketComparison.differences(expected, in: "app", found, in: bucket, mode: .exact)
        #expect(differences.isEmpty, "\(differences.joined(separator: "\n"))")
    }

    @Test(
        "The archive is as it was, the report names the backup, and what it says brings the bucket back",
        arguments: ServerBinary.all
    )
    func wayBack(binary: ServerBinary) async throws {
        let rig = try await Rig(binary)
        defer { rig.close() }
        let before = try await changed(rig)
        let listed = try await rig.offline(["show", rig.archive, "--json"]).outputText
        let planned = try Report(try await rig.cistern(["restore", rig.archive, "--replace", "--dry-run", "--json"]))
        #expect(try planned.object("safety_backup")["archive"] as? String != nil)
        #expect(try safetyBackups(rig).isEmpty)
        let result = try await rig.cistern(["restore", rig.archive, "--replace", "--yes", "--json"])
        let report = try Report(result)
        let safety = try report.object("safety_backup")
        let path = try #require(safety["archive"] as? String)
        #expect(try safetyBackups(rig) == [path])
        #expect(safety["entries"] as? Int == before.count && safety["revision"] as? UInt64 == before.last?.seq)
        #expect(result.errorText.contains(path), "it is said before the bucket is deleted")
        #expect(try report.text("action") == "replace" && report.text("mode") == "exact")
        #expect(try await rig.offline(["show", rig.archive, "--json"]).outputText == listed)
        #expect(try await rig.lastSequence("app") == 400)
        try await rig.offline(["verify", path])
        let tag = try #require(safety["tag"] as? String)
        try await rig.cistern(["restore", path, "--at-tag", tag, "--as", "tagged"])
        try await expectExact(rig, before, "tagged")
        let command = try #require(safety["command"] as? String)
        let words = command.split(separator: " ").dropFirst().map { String($0) }
        let text = try await rig.cistern(words + ["--yes", "--no-safety-backup"]).outputText
        #expect(!text.contains("it comes back with"))
        #expect(try safetyBackups(rig) == [path])
        try await expectExact(rig, before)
        // It takes writes again.
        _ = try await rig.server.withClient { try $0.put("app", "k", "v") }
        #expect(try await rig.lastSequence("app") == 801)
    }

    @Test("No write that was acknowledged is lost: it is in the backup", arguments: ServerBinary.all)
    func writers(binary: ServerBinary) async throws {
        let rig = try await Rig(binary)
        defer { rig.close() }
        try await rig.createBucket("app")
        try await rig.fill("app", count: 20_000, keys: 20_000, size: 100)
        try await rig.backup("app")
        let writer = BackgroundWriter(
            port: rig.server.port,
            bucket: "app",
            keys: 20_000,
            size: 50,
            perSecond: 3000,
            seed: 9
        )
        try await eventually("some writes") { writer.written > 300 }
        let path = rig.folder.file("safe.cistern")
        let arguments = ["restore", rig.archive, "--replace", "--yes", "--json", "--safety-backup", path]
        let safety = try Report(try await rig.cistern(arguments)).object("safety_backup")
        // Writers are told at once; those who come while the bucket is made anew write into the new one.
        await #expect(throws: RawNATSError.self) { try await writer.stop() }
        #expect(safety["archive"] as? String == path)
        let entries = try #require(safety["entries"] as? Int)
        #expect(entries >= 20_000 + writer.written, "\(writer.written) writes were acknowledged")
        #expect(try await rig.lastSequence("app") == 20_000)
        let again = try await rig.cistern(arguments, code: 73)
        #expect(again.errorText.contains("safe.cistern"))
    }

    @Test("Killed anywhere, it is run again; what was there is in a backup or still in the bucket")
    func killed() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let before = try await changed(rig, count: 3000, size: 1500)
        // Slowly, so that about as much time goes after the bucket's end as before.
        let arguments = [
            "restore", rig.archive, "--replace", "--yes", "--json", "-s", rig.server.url, "--rate", "2MiB/s",
        ]
        let whole = try await KillMoments.measure { try await CisternProcess.run(arguments) }
        let saved = rig.folder.file("saved.cistern")
        try FileManager.default.moveItem(atPath: try #require(try safetyBackups(rig).first), toPath: saved)
        let bringBack = ["restore", saved, "--replace", "--yes", "--no-safety-backup", "-q"]
        try await rig.cistern(bringBack)
        var moments = KillMoments(8, of: whole, seed: 21)
        var (early, late) = (0, 0)
        while let round = moments.next(hits: min(early, late)) {
            let killed = try await moments.kill(try CisternProcess.start(arguments))
            let isThere = try await rig.exists("app")
            let held = isThere ? try await rig.messages("app").count : 0
            let isWhole = held == before.count
            if killed.code == 137 {
                if isWhole { early += 1 } else { late += 1 }
            }
            let backups = try safetyBackups(rig)
            if !isWhole {
                #expect(backups.count == 1, "round \(round): the bucket was deleted before its backup was there")
                for backup in backups {
                    try await rig.cistern(["restore", backup, "--as", "back", "-q"])
                    try await expectExact(rig, before, "back")
                    try await rig.cistern(["kv", "rm", "back", "--force"])
                }
            }
            // Killed on its way out it has said all, and what it made is a bucket like any other.
            var isOpen = false
            if isThere {
                isOpen = try await rig.server.withClient { client in
                    try client.streamInfo("KV_app").configuration.contains(#""$KV.app.>""#)
                }
            }
            let again = try await CisternProcess.run(arguments)
            #expect(again.code == 0, "round \(round): \(again)")
            if !isWhole, !isOpen, killed.code == 137, let backup = backups.last {
                #expect(again.errorText.contains(backup), "round \(round)")
            }
            #expect(try await rig.lastSequence("app") == 3000)
            _ = try await rig.server.withClient { try $0.put("app", "open", "to writers") }
            #expect(try await !rig.streams().contains { $0.hasPrefix("CISTERN") }, "round \(round)")
            for backup in try safetyBackups(rig) {
                for ending in ["", "-wal", "-shm", ".lock"] {
                    try? FileManager.default.removeItem(atPath: backup + ending)
                }
            }
            try await rig.cistern(bringBack)
        }
        #expect(early > 0, "no kill came before the bucket was deleted: the test proves nothing")
        #expect(late > 0, "no kill came after the bucket was deleted: the test proves nothing")
    }

    @Test("The trial that a killed run left is deleted; a stream of somebody else's under its name is not")
    func leftTrial() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        _ = try await changed(rig)
        let arguments = ["restore", rig.archive, "--replace", "--yes", "--no-safety-backup"]
        try await rig.server.withClient {
            try $0.createStream(#"{"name":"CISTERN_REPLACE_app","subjects":["cistern.replace.app"]}"#)
        }
        try await rig.cistern(arguments)
        #expect(try await rig.streams() == ["KV_app"])
        try await rig.server.withClient { try $0.createStream(#"{"name":"CISTERN_REPLACE_app","subjects":["mine"]}"#) }
        let refused = try await rig.cistern(arguments, code: 73)
        #expect(refused.errorText.contains("CISTERN_REPLACE_app exists, and it is not Cistern's"))
        #expect(try await rig.streams() == ["CISTERN_REPLACE_app", "KV_app"])
        #expect(try await rig.lastSequence("app") == 400)
    }

    @Test("A bucket that a killed run left closed to writers is opened, and backed up with its own settings")
    func leftClosed() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let before = try await changed(rig)
        let configuration = try await rig.server.withClient { try $0.streamInfo("KV_app").configuration }
        try await rig.server.withClient { client in
            try client.updateStream(
                configuration.replacingOccurrences(of: "$KV.app.>", with: "$KV.cistern-fence-app-replace-0badcafe.>")
            )
            #expect(throws: RawNATSError.self) { try client.put("app", "k", "v") }
        }
        let report = try Report(try await rig.cistern(["restore", rig.archive, "--replace", "--yes", "--json"]))
        let path = try #require(try report.object("safety_backup")["archive"] as? String)
        try await rig.cistern(["restore", path, "--replace", "--yes", "--no-safety-backup"])
        try await expectExact(rig, before)
        _ = try await rig.server.withClient { try $0.put("app", "k", "v") }
    }

    @Test("If the bucket cannot be opened again, it is said so, and the next run does it")
    func cannotOpen() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        _ = try await changed(rig)
        try await rig.server.withClient { try $0.fill("app", count: 2000, size: 4000, prefix: "big.", seed: 8) }
        // Every request takes its time, so that the moment is long enough to be met.
        let proxy = try TCPProxy(to: rig.server.port, delay: 50)
        defer { proxy.close() }
        let arguments = ["restore", rig.archive, "--replace", "--yes", "-s"]
        let process = try CisternProcess.start(arguments + [proxy.url])
        try await eventually("the fence") {
            // What it said then shows below.
            guard process.isRunning else { return true }
            return try await rig.server.withClient {
                try $0.streamInfo("KV_app").configuration.contains("cistern-fence-app-")
            }
        }
        proxy.close()
        process.send(SIGTERM)
        let result = try await process.waitForExit()
        #expect(result.code == 1, "\(result)")
        #expect(result.errorText.contains("could not be opened to writers again"), "\(result)")
        #expect(result.errorText.contains("run the same command again"), "\(result)")
        try await rig.cistern(["restore", rig.archive, "--replace", "--yes"])
        _ = try await rig.server.withClient { try $0.put("app", "k", "v") }
    }

    @Test("Stopped while the bucket is closed to writers, it opens the bucket again", arguments: [SIGINT, SIGTERM])
    func stopped(signal: Int32) async throws {
        let rig = try await Rig()
        defer { rig.close() }
        _ = try await changed(rig)
        try await rig.server.withClient { try $0.fill("app", count: 10_000, size: 4000, prefix: "big.", seed: 8) }
        let before = try await rig.messages("app")
        // So that there is something to check once they are kept out.
        let writer = BackgroundWriter(
            port: rig.server.port,
            bucket: "app",
            keys: 5000,
            prefix: "w.",
            size: 20,
            perSecond: 2000,
            seed: 3
        )
        try await eventually("some writes") { writer.written > 100 }
        let process = try CisternProcess.start(["restore", rig.archive, "--replace", "--yes", "-s", rig.server.url])
        try await eventually("the fence") {
            // What it said then shows below.
            guard process.isRunning else { return true }
            return try await rig.server.withClient {
                try $0.streamInfo("KV_app").configuration.contains("cistern-fence-app-")
            }
        }
        process.send(signal)
        let result = try await process.waitForExit()
        #expect(result.code == 128 + signal, "\(result)")
        await #expect(throws: RawNATSError.self) { try await writer.stop() }
        let found = try await rig.messages("app")
        let others = found.filter { !$0.key(in: "app").starts(with: Array("w.".utf8)) }
        let differences = BucketComparison.differences(before, in: "app", others, in: "app", mode: .exact)
        #expect(differences.isEmpty, "\(differences.joined(separator: "\n"))")
        #expect(found.count > others.count)
        #expect(try safetyBackups(rig).isEmpty)
        #expect(try await rig.streams() == ["KV_app"])
        _ = try await rig.server.withClient { try $0.put("app", "k", "v") }
    }

    @Test("What the server does not take is found before anything is deleted, and the bucket stays open")
    func refused() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let before = try await changed(rig)
        let arguments = ["restore", rig.archive, "--replace", "--yes", "--set", "replicas=3"]
        let result = try await rig.cistern(arguments, code: 1)
        #expect(result.errorText.contains("nothing was deleted"))
        try await rig.cistern(
            ["restore", rig.archive, "--replace", "--yes", "--safety-backup", "/nowhere/a.cistern"],
            code: 1
        )
        try await expectExact(rig, before)
        #expect(try safetyBackups(rig).isEmpty)
        #expect(try await rig.streams() == ["KV_app"])
        _ = try await rig.server.withClient { try $0.put("app", "k", "v") }
    }

    @Test("A user who may not make the bucket anew is told so before it is deleted")
    func forbidden() async throws {
        let users = """
            authorization { users: [
                { user: all, password: pw },
                { user: few, password: pw, permissions: { publish: { deny: "$JS.API.STREAM.RESTORE.>" } } }
            ] }
            no_auth_user: all
            """
        let rig = try await Rig(options: .init(configuration: users))
        defer { rig.close() }
        let before = try await changed(rig)
        let server = "nats://few:pw@127.0.0.1:\(rig.server.port)"
        let result = try await CisternProcess.run(["restore", rig.archive, "--replace", "--yes", "-s", server])
        #expect(result.code == 1 && result.errorText.contains("STREAM.RESTORE.KV_app"), "\(result)")
        try await expectExact(rig, before)
        #expect(try safetyBackups(rig).isEmpty)
    }

    @Test("The backup of a bucket is encrypted where the archive is that it is replaced from")
    func encrypted() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let key = rig.folder.file("a.key")
        try await rig.offline(["keygen", key, "-q"])
        try await rig.createBucket("app")
        _ = try await rig.server.withClient { try $0.put("app", "k", "value") }
        try await rig.cistern(["backup", "app", "--archive", rig.archive, "--encrypt", "--key-file", key])
        _ = try await rig.server.withClient { try $0.put("app", "k", "extraordinary") }
        try await rig.cistern(["restore", rig.archive, "--replace", "--yes", "--key-file", key])
        let path = try #require(try safetyBackups(rig).first)
        try await rig.offline(["get", path, "k"], code: 64)
        #expect(try await rig.offline(["get", path, "k", "--key-file", key]).outputText == "extraordinary")
    }
}

extension Rig {
    /// The names of all streams.
    func streams() async throws -> [String] {
        try await server.withClient { client in
            (try client.api("STREAM.NAMES")["streams"] as? [String] ?? []).sorted()
        }
    }
}
