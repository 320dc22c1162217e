import Foundation
import TestSupport
import Testing

@Suite("Copies of a bucket", .serialized)
struct CopyTests {
    /// Two servers and a folder for what is captured on the way.
    private struct Ends {
        let source: Rig
        let target: ServerProcess

        init(
            _ from: ServerBinary? = nil,
            _ to: ServerBinary? = nil,
            to options: ServerProcess.Options = .init()
        ) async throws {
            source = try await Rig(from)
            target = try await ServerProcess.start(to, options: options)
            try FileManager.default.createDirectory(
                atPath: source.folder.file("tmp"),
                withIntermediateDirectories: false
            )
        }

        func close() {
            source.close()
            target.close()
        }

        func copy(
            _ arguments: [String],
            code: Int32 = 0,
            _ location: SourceLocation = #_sourceLocation
        ) async throws -> CisternProcess.Result {
            let result = try await CisternProcess.run(
                ["copy"] + arguments + ["-s", source.server.url],
                environment: ["TMPDIR": source.folder.file("tmp")],
                directory: source.folder.path
            )
            #expect(result.code == code, "\(result)", sourceLocation: location)
            let left = try FileManager.default.contentsOfDirectory(atPath: source.folder.file("tmp"))
            #expect(left.isEmpty, "what was captured stays", sourceLocation: location)
            return result
        }

        func messages(_ bucket: String) async throws -> [RawMessage] {
            try await target.withClient { try $0.getAllMessages("KV_" + bucket) }
        }
    }

    private func write(_ rig: Rig, seed: UInt64 = 3) async throws -> [RawMessage] {
        try await rig.createBucket("src")
        let generator = BucketGenerator(entries: 1500, seed: seed)
        _ = try await rig.server.withClient { try generator.write(to: "src", with: $0) }
        return try await rig.messages("src")
    }

    @Test(
        "From every version to the newest and to the oldest: revisions and times are kept",
        arguments: ServerBinary.all
    )
    func servers(binary: ServerBinary) async throws {
        for other in [try ServerBinary.newest, try ServerBinary.named("2.9.10")] {
            let ends = try await Ends(binary, other)
            defer { ends.close() }
            let expected = try await write(ends.source)
            let result = try await ends.copy(["src", "copied", "--target-server", ends.target.url, "--json"])
            let report = try Report(result)
            #expect(try report.text("mode") == "exact" && report.text("action") == "create")
            #expect(try report.object("verification")["is_equal"] as? Bool == true)
            let found = try await ends.messages("copied")
            let differences = BucketComparison.differences(expected, in: "src", found, in: "copied", mode: .exact)
            #expect(differences.isEmpty, "\(differences.joined(separator: "\n"))")
            #expect(try await ends.source.streams() == ["KV_src"])
            _ = try await ends.copy(["src", "copied", "--target-server", ends.target.url], code: 73)
        }
    }

    @Test("On one server, a part of the keys under other names and settings; then replaced, and merged into")
    func changed() async throws {
        let ends = try await Ends()
        defer { ends.close() }
        let rig = ends.source
        try await rig.createBucket("src", history: 3)
        try await rig.server.withClient { client in
            for key in ["eu.a", "eu.b", "us.a", "eu.a"] { try client.put("src", key, "of \(key)") }
        }
        let options = ["--filter", "eu.>", "--map", "eu.>=x.>", "--set", "history=1", "--set", "storage=memory"]
        let text = try await ends.copy(["src", "part"] + options).outputText
        #expect(text.contains("part: a copy of revision 4") && text.contains("verified against the source"))
        let keys = try await rig.messages("part").map { String(decoding: $0.key(in: "part"), as: UTF8.self) }
        #expect(keys == ["x.b", "x.a"])
        #expect(try await rig.server.withClient { try $0.streamInfo("KV_part").configuration }.contains("memory"))
        let replaced = try Report(try await ends.copy(["src", "part", "--replace", "--yes", "--json"]))
        let safety = try #require(try replaced.object("safety_backup")["archive"] as? String)
        #expect(FileManager.default.fileExists(atPath: rig.folder.file(safety)), "the safety backup is kept, here")
        #expect(try await rig.messages("part").count == 4)
        _ = try await rig.server.withClient { client in
            try client.put("part", "us.a", "newer")
            try client.put("src", "eu.c", "new")
        }
        let merged = try Report(try await ends.copy(["src", "part", "--into-existing", "--json"])).object("merge")
        #expect(merged["written"] as? Int == 1 && merged["kept"] as? Int == 1 && merged["equal"] as? Int == 2)
        #expect(
            try await rig.messages("part").suffix(2).map { String(decoding: $0.data, as: UTF8.self) } == [
                "newer", "new",
            ]
        )
        _ = try await ends.copy(["src", "src", "--replace", "--yes"], code: 64)
        _ = try await ends.copy(["nothing", "part"], code: 1)
        #expect(try await rig.messages("src").count == 5)
    }

    @Test("To another account of the same server, with its own credentials")
    func accounts() async throws {
        let configuration = """
            accounts {
              A { jetstream: enabled, users: [ { user: a, password: pa } ] }
              B { jetstream: enabled, users: [ { user: b, password: pb } ] }
            }
            """
        let server = try await ServerProcess.start(options: .init(configuration: configuration))
        defer { server.close() }
        let expected = try await server.withClient(user: "a", password: "pa") { client in
            try client.createBucket("src", history: 5)
            try client.fill("src", count: 300, keys: 50, size: 30, seed: 1)
            return try client.getAllMessages("KV_src")
        }
        let arguments = [
            "copy", "src", "src", "-s", server.url, "--user", "a", "--password", "pa", "--target-user", "b",
            "--target-password", "pb",
        ]
        let result = try await CisternProcess.run(arguments)
        #expect(result.code == 0, "\(result)")
        let found = try await server.withClient(user: "b", password: "pb") { try $0.getAllMessages("KV_src") }
        #expect(BucketComparison.differences(expected, in: "src", found, in: "src", mode: .exact).isEmpty)
        // Nothing of the source's connection goes to a server that is named for the target.
        let refused = try await CisternProcess.run(
            ["copy", "src", "x", "-s", server.url, "--user", "a", "--password", "pa", "--target-server", server.url]
        )
        #expect(refused.code == 69, "\(refused)")
    }

    @Test("Through a leaf node into the hub's domain: exact, by replay, and merged", arguments: ["2.15.1", "2.9.10"])
    func domains(version: String) async throws {
        let domains = try await LeafAndHub(try ServerBinary.named(version))
        defer { domains.close() }
        let (leaf, hub) = (domains.leaf, domains.hub)
        let expected = try await leaf.withClient { client in
            try client.createBucket("src", history: 5)
            try client.fill("src", count: 400, keys: 60, size: 40, seed: 1)
            return try client.getAllMessages("KV_src")
        }
        for (name, mode) in [("one", "exact"), ("two", "replay")] {
            let arguments = ["copy", "src", name, "--mode", mode, "-s", leaf.url, "--target-js-domain", "hub"]
            let result = try await CisternProcess.run(arguments)
            #expect(result.code == 0, "\(result)")
            let found = try await hub.withClient { try $0.getAllMessages("KV_\(name)") }
            let comparison = mode == "exact" ? BucketComparison.Mode.exact : .replayed
            let differences = BucketComparison.differences(expected, in: "src", found, in: name, mode: comparison)
            #expect(differences.isEmpty, "\(differences)")
        }
        _ = try await leaf.withClient { try $0.put("src", "key.1", "newer") }
        let merge = try Report(
            try await CisternProcess.run(
                ["copy", "src", "one", "--into-existing", "--json", "-s", leaf.url, "--target-js-domain", "hub"]
            )
        ).object("merge")
        #expect(merge["written"] as? Int == 1 && merge["equal"] as? Int == 59, "\(merge)")
        let newest = try await hub.withClient { try $0.getAllMessages("KV_one").last }
        #expect(newest.map { String(decoding: $0.data, as: UTF8.self) } == "newer")
        let streams = try await leaf.withClient { try $0.api("STREAM.NAMES")["streams"] as? [String] ?? [] }
        #expect(streams == ["KV_src"], "nothing lands in the leaf's own domain")
    }

    @Test("Into a cluster with three replicas; a placement that it has not is refused, and nothing is left")
    func cluster() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let expected = try await write(rig)
        let cluster = try await ServerCluster.start()
        defer { cluster.close() }
        let node = try #require(cluster.nodes.first)
        let arguments = ["copy", "src", "c", "-s", rig.server.url, "--target-server", node.url, "--set"]
        let refused = try await CisternProcess.run(arguments + ["placement.tags=nowhere"])
        #expect(refused.code == 1, "\(refused)")
        #expect(refused.errorText.contains("no suitable peers"), "\(refused)")
        let names = try await node.withClient { try $0.api("STREAM.NAMES")["streams"] as? [String] ?? [] }
        #expect(names.isEmpty)
        let copied = try await CisternProcess.run(arguments + ["replicas=3"])
        #expect(copied.code == 0, "\(copied)")
        let found = try await node.withClient { try $0.getAllMessages("KV_c") }
        #expect(BucketComparison.differences(expected, in: "src", found, in: "c", mode: .exact).isEmpty)
    }

    @Test("A dry run changes nothing and leaves nothing, whatever the target")
    func dryRun() async throws {
        let ends = try await Ends()
        defer { ends.close() }
        _ = try await write(ends.source)
        try await ends.source.createBucket("full", history: 5)
        try await ends.source.fill("full", count: 10, keys: 5, size: 10)
        let before = try await [ends.source.messages("src"), ends.source.messages("full")]
        let files = try FileManager.default.contentsOfDirectory(atPath: ends.source.folder.path).sorted()
        for more in [
            ["new"], ["full", "--replace"], ["full", "--into-existing"], ["full", "--into-existing", "--overwrite"],
        ] {
            let text = try await ends.copy(["src"] + more + ["--dry-run"]).outputText
            #expect(text.contains("Nothing was done: this is a dry run."))
            let report = try Report(try await ends.copy(["src"] + more + ["--dry-run", "--json"]))
            #expect(try report.text("bucket") == more[0])
        }
        #expect(try await [ends.source.messages("src"), ends.source.messages("full")] == before)
        #expect(try await ends.source.streams() == ["KV_full", "KV_src"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: ends.source.folder.path).sorted() == files)
    }

    @Test(
        "Stopped by a signal, it leaves no capture behind; killed, the next run removes it, and none that is in use",
        arguments: [SIGINT, SIGTERM, SIGKILL]
    )
    func stopped(signal: Int32) async throws {
        let ends = try await Ends()
        defer { ends.close() }
        try await ends.source.createBucket("src", history: 1)
        try await ends.source.fill("src", count: 20_000, keys: 20_000, size: 500)
        let folder = ends.source.folder.file("tmp")
        let arguments = ["src", "copied", "--target-server", ends.target.url]
        let process = try CisternProcess.start(
            ["copy"] + arguments + ["--rate", "2MiB/s", "-s", ends.source.server.url],
            environment: ["TMPDIR": folder]
        )
        try await eventually("the capture's beginning", timeout: .seconds(20)) {
            try FileManager.default.contentsOfDirectory(atPath: folder).contains { name in
                let attributes = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)/copy.cistern")
                return attributes?[.size] as? Int ?? 0 > 0
            }
        }
        let inUse = try FileManager.default.contentsOfDirectory(atPath: folder)
        let other = try await CisternProcess.run(
            ["copy", "src", "other", "--dry-run", "-s", ends.source.server.url],
            environment: ["TMPDIR": folder]
        )
        #expect(other.code == 0, "\(other)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == inUse)
        process.send(signal)
        let result = try await process.waitForExit()
        #expect(result.code == 128 + signal, "\(result)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty == (signal != SIGKILL))
        _ = try await ends.copy(arguments)
        #expect(try await ends.messages("copied").count == 20_000)
    }
}
