import Foundation
import TestSupport
import Testing

@Suite("cistern mirror", .serialized)
struct MirrorTests {
    private func makeSource(_ rig: MirrorRig, _ keys: [String], value: String = "1") async throws {
        try await rig.source.withClient { client in
            try client.createBucket("src", history: 5)
            for key in keys { try client.put("src", key, value) }
        }
    }

    @Test(
        "Once: everything, then only what is new; then nothing",
        arguments: ServerBinary.all.filter { isLongRun || ["2.15.1", "2.10.26", "2.9.10"].contains($0.version) }
    )
    func once(binary: ServerBinary) async throws {
        let rig = try await MirrorRig(binary)
        defer { rig.close() }
        try await rig.source.withClient { client in
            try client.createBucket("src", history: 5)
            try BucketGenerator(entries: 400, seed: 4).write(to: "src", with: client)
        }
        let first = try Report(try await rig.mirror(["--once", "--json"]))
        #expect(try first.text("kind") == "mirror" && first.text("outcome") == "caught-up")
        #expect(try first.number("from_revision") == 0 && first.number("entries_written") > 0)
        try await rig.expectEqual()
        _ = try await rig.source.withClient { client in
            try client.putMany("src", [RawPut("more.a", "1"), RawPut("more.b", "1"), .delete(Array("more.a".utf8))])
        }
        let second = try Report(try await rig.mirror(["--once", "--json"]))
        #expect(try second.number("entries_written") == 3)
        #expect(try second.number("from_revision") == first.number("resume_revision"))
        try await rig.expectEqual()
        let text = try await rig.mirror(["--once"]).outputText
        let last = try await rig.last(rig.source, "src")
        #expect(text.contains("dst: equal to revision \(last) of standalone/src"), "\(text)")
        #expect(text.contains("wrote 0 entries"), "\(text)")
        let quiet = try await rig.mirror(["--once", "-q"])
        #expect(quiet.output.isEmpty && quiet.errors.isEmpty, "\(quiet)")
    }

    @Test("Live: what is written arrives, a stop is at a checkpoint, and the next run goes on from it")
    func live() async throws {
        let rig = try await MirrorRig()
        defer { rig.close() }
        try await makeSource(rig, ["a", "b"])
        let process = try CisternProcess.start(rig.arguments(["--json"]))
        try await eventually("the first entries") { try await rig.holds(2) }
        _ = try await rig.source.withClient { try $0.put("src", "a", "2") }
        try await eventually("the new value") { try await rig.value("a") == "2" }
        _ = try await rig.source.withClient { try $0.putMany("src", [.delete(Array("b".utf8))]) }
        try await eventually("the delete") { try await rig.value("b") == nil }
        process.send(SIGTERM)
        let ended = try await process.waitForExit()
        #expect(ended.code == 143, "\(ended)")
        #expect(
            ended.errorText.contains("dst: live,") && ended.errorText.contains("stopped at a checkpoint"),
            "\(ended)"
        )
        let lines = try ended.outputText.split(separator: "\n").map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        }
        #expect(lines.first?["kind"] as? String == "progress" && lines.first?["target"] as? String == "dst")
        #expect(lines.last?["kind"] as? String == "mirror" && lines.last?["outcome"] as? String == "stopped")
        #expect(lines.last?["resume_revision"] as? Int == 4)
        let next = try Report(try await rig.mirror(["--once", "--json"]))
        #expect(try next.number("from_revision") == 4 && next.number("entries_written") == 0)
    }

    @Test("A part of the keys under other names and settings, without deletes")
    func changed() async throws {
        let rig = try await MirrorRig()
        defer { rig.close() }
        try await makeSource(rig, ["eu.a", "eu.b", "us.a"])
        let options = ["--filter", "eu.>", "--map", "eu.>=x.>", "--no-deletes", "--set", "storage=memory"]
        try await rig.mirror(["--once"] + options)
        _ = try await rig.source.withClient { client in
            try client.putMany("src", [.delete(Array("eu.a".utf8)), RawPut("eu.b", "2"), RawPut("us.a", "2")])
        }
        try await rig.mirror(["--once"] + options)
        #expect(try await rig.target.withClient { try $0.streamInfo("KV_dst").configuration }.contains("memory"))
        let found = try await rig.messages(rig.target, "dst").map { message in
            "\(String(decoding: message.key(in: "dst"), as: UTF8.self))=\(String(decoding: message.data, as: UTF8.self))"
        }
        #expect(found == ["x.a=1", "x.b=1", "x.b=2"])
        let compared = try Report(try await rig.mirror(["--reconcile", "--json"] + options.dropLast(2)))
        #expect(try compared.number("differences") == 0 && compared.number("repaired") == 0)
    }

    @Test("What others did in the target is found, said and repaired, at once or while the mirror runs")
    func reconciled() async throws {
        let rig = try await MirrorRig()
        defer { rig.close() }
        try await makeSource(rig, (0..<20).map { "key.\($0)" })
        try await rig.mirror(["--once"])
        _ = try await rig.target.withClient { client in
            try client.put("dst", "key.1", "foreign")
            try client.api("STREAM.PURGE.KV_dst", #"{"filter":"$KV.dst.key.2"}"#)
            try client.put("dst", "own", "theirs")
        }
        let seen = try await rig.mirror(["--reconcile", "--dry-run", "--json"], code: 3)
        let document = try Report(seen)
        #expect(try document.text("kind") == "reconciliation" && document.number("equal") == 18)
        #expect(try document.number("foreign") == 1 && document.number("missing") == 1)
        #expect(try document.number("additional") == 1 && document.number("repaired") == 0)
        #expect(seen.errorText.contains("2 keys not as in src") && seen.errorText.contains("--dry-run"), "\(seen)")
        let text = try await rig.mirror(["--once", "--reconcile"]).outputText
        #expect(text.contains("18 keys equal, 2 differences, 2 repaired"), "\(text)")
        #expect(text.contains("foreign key.1 at revision 21, in the source at 2: repaired"), "\(text)")
        #expect(try await rig.value("key.1") == "1")
        #expect(try await rig.value("key.2") == "1")
        #expect(try await rig.value("own") == "theirs")

        let process = try CisternProcess.start(rig.arguments(["--reconcile-every", "1s"]))
        try await eventually("the mirror to be live") { process.errorText.contains("live,") }
        _ = try await rig.target.withClient { try $0.put("dst", "key.3", "foreign") }
        try await eventually("the repair") { try await rig.value("key.3") == "1" }
        _ = try await rig.source.withClient { try $0.put("src", "key.3", "2") }
        try await eventually("the source's next value") { try await rig.value("key.3") == "2" }
        process.send(SIGINT)
        let ended = try await process.waitForExit()
        #expect(ended.code == 130 && ended.outputText.contains("1 repaired"), "\(ended)")
    }

    @Test("Repairs go on beside a mirror that has followed its source into another life")
    func reconciledAfterResync() async throws {
        let rig = try await MirrorRig()
        defer { rig.close() }
        try await makeSource(rig, ["key.1", "key.2"])
        let process = try CisternProcess.start(
            rig.arguments(["--reconcile-every", "1s", "--on-recreate", "resync"])
        )
        try await eventually("the mirror to be live") { process.errorText.contains("live,") }
        _ = try await rig.source.withClient { client in
            try client.deleteStream("KV_src")
            try client.createBucket("src", history: 5)
            try client.put("src", "key.1", "2")
        }
        try await eventually("the new life") {
            let values = (try await rig.value("key.1"), try await rig.value("key.2"))
            return values.0 == "2" && values.1 == nil
        }
        _ = try await rig.target.withClient { try $0.put("dst", "key.1", "foreign") }
        try await eventually("the repair") { try await rig.value("key.1") == "2" }
        process.send(SIGINT)
        let ended = try await process.waitForExit()
        #expect(ended.code == 130 && ended.outputText.contains("1 repaired"), "\(ended)")
    }

    @Test("Mistakes are told before anything is done")
    func mistakes() async throws {
        let rig = try await MirrorRig()
        defer { rig.close() }
        try await makeSource(rig, ["a"])
        for options in [["--once", "--reconcile-every", "1h"], ["--dry-run"], ["--set", "histroy=2"]] {
            try await rig.mirror(options, code: 64)
        }
        let itself = try await CisternProcess.run(["mirror", "src", "src", "--once", "-s", rig.source.url])
        #expect(itself.code == 64 && itself.errorText.contains("same bucket"), "\(itself)")
        let nothing = try await CisternProcess.run(["mirror", "nothing", "dst", "--once", "-s", rig.source.url])
        #expect(nothing.code == 1 && nothing.errorText.contains("there is no bucket nothing"), "\(nothing)")
        let compared = try await rig.mirror(["--reconcile"], code: 1)
        #expect(compared.errorText.contains("there is no bucket dst"), "\(compared)")
        let away = try await CisternProcess.run(
            ["mirror", "src", "dst", "--once", "-s", rig.source.url, "--target-server", "nats://127.0.0.1:1"]
        )
        #expect(away.code == 69, "\(away)")
        #expect(try await !rig.holds(0), "no target was made")
    }

    @Test("A source that was made again stops the mirror, or is brought to the target")
    func recreated() async throws {
        let rig = try await MirrorRig()
        defer { rig.close() }
        try await makeSource(rig, ["a", "b"])
        try await rig.mirror(["--once"])
        _ = try await rig.source.withClient { client in
            try client.deleteStream("KV_src")
            try client.createBucket("src", history: 5)
            try client.put("src", "b", "2")
        }
        try await rig.mirror(["--once"], code: 1)
        #expect(try await rig.value("a") == "1")
        let resynced = try Report(try await rig.mirror(["--once", "--on-recreate", "resync", "--json"]))
        #expect(try resynced.number("removed") == 1)
        #expect(try await rig.value("a") == nil)
        #expect(try await rig.value("b") == "2")
    }
}
