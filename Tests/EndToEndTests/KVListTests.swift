import Foundation
import TestSupport
import Testing

@Suite("kv: lists, watches, compaction")
struct KVListTests {
    /// A bucket with two keys, one of them written twice, and a deleted one.
    private func rig(_ binary: ServerBinary? = nil) async throws -> Rig {
        let rig = try await Rig(binary)
        try await rig.createBucket("b", history: 5)
        try await rig.server.withClient { client in
            for (key, value) in [("a.1", "old"), ("gone", "x"), ("a.1", "one"), ("b.2", "two")] {
                _ = try client.put("b", key, value)
            }
        }
        try await rig.kv(["del", "b", "gone"])
        return rig
    }

    @Test(
        "Keys are listed, with what is asked for",
        arguments: [try ServerBinary.newest, try ServerBinary.named("2.9.10")]
    )
    func keys(binary: ServerBinary) async throws {
        let rig = try await rig(binary)
        defer { rig.close() }
        #expect(try await rig.kv(["ls", "b"]) == "a.1\nb.2\n")
        #expect(try await rig.kv(["ls", "b", "b.>"]) == "b.2\n")
        #expect(try await rig.kv(["list", "b", "a.*", "b.*"]) == "a.1\nb.2\n")
        let table = try await rig.kv(["ls", "b", "--display-value"]).split(separator: "\n").map {
            $0.split(separator: " ", omittingEmptySubsequences: true).map { String($0) }
        }
        #expect(table[0] == ["KEY", "CREATED", "DELTA", "REVISION", "VALUE"])
        #expect(table[1...].map { [$0[0]] + $0[2...] } == [["a.1", "1", "3", "one"], ["b.2", "0", "4", "two"]])
        #expect(try await rig.kv(["ls", "b", "-v"]).split(separator: "\n")[0].hasSuffix("REVISION"))
        let documents = try await rig.kvDocuments(["ls", "b", "-v"])
        #expect(documents.map { $0["delta"] } == [1, 0] && documents.map { $0["value"] } == [nil, nil])
        #expect(documents.map { $0["size"] } == [3, 3])
        let valued = try await rig.kvDocuments(["ls", "b", "--display-value"])
        #expect(valued.map { $0["value"] } == ["one", "two"])
        #expect(try await rig.kvDocuments(["ls", "b"]).map { $0["key"] } == ["a.1", "b.2"])
        #expect(try await rig.kvResult(["ls", "b", "none"]).errorText.contains("no keys found in bucket b"))
        #expect(try await rig.kv(["ls", "--names"]) == "b\n")
        #expect(try await rig.kv(["ls"]).contains("LAST UPDATE"))
        #expect(try await rig.kvDocument(["ls"])["keys"] == 3)
    }

    private static let watches: [(options: [String], lines: [String])] = [
        ([], ["PUT b > a.1: one", "PUT b > b.2: two", "DEL b > gone"]),
        (["--no-deletes"], ["PUT b > a.1: one", "PUT b > b.2: two"]),
        (
            ["--history"],
            ["PUT b > a.1: old", "PUT b > gone: x", "PUT b > a.1: one", "PUT b > b.2: two", "DEL b > gone"]
        ),
        (["--include-history", "a.>"], ["PUT b > a.1: old", "PUT b > a.1: one"]),
        (["--revision", "4"], ["PUT b > b.2: two", "DEL b > gone"]),
        (["--updates"], []), (["--updates-only"], []),
    ]

    @Test("A watch shows what it is asked for")
    func watch() async throws {
        let rig = try await rig()
        defer { rig.close() }
        let processes = try Self.watches.map {
            try CisternProcess.start(["kv", "watch", "b"] + $0.options + ["-s", rig.server.url])
        }
        @Sendable func shown(_ process: CisternProcess) -> [String] {
            process.outputText.split(separator: "\n").compactMap { $0.split(separator: "] ").last.map { String($0) } }
        }
        try await eventually("the watches to begin") {
            for process in processes { try #require(process.isRunning, "\(process.errorText)") }
            let consumers = try await rig.server.withClient { try $0.api("CONSUMER.NAMES.KV_b")["total"] as? Int }
            return consumers == processes.count
        }
        _ = try await rig.server.withClient { try $0.put("b", "a.last", "end") }
        for (process, watch) in zip(processes, Self.watches) {
            try await eventually("the last write to be shown") { shown(process).contains("PUT b > a.last: end") }
            process.send(SIGTERM)
            let result = try await process.waitForExit(timeout: .seconds(30))
            #expect(result.code == 143)
            #expect(shown(process) == watch.lines + ["PUT b > a.last: end"], "\(watch.options)")
        }
    }

    @Test("A watch's documents are the entries")
    func watchDocuments() async throws {
        let rig = try await rig()
        defer { rig.close() }
        let process = try CisternProcess.start(["kv", "watch", "b", "--json", "-s", rig.server.url])
        try await eventually("three lines") {
            try #require(process.isRunning, "\(process.errorText)")
            return process.outputText.split(separator: "\n").count == 3
        }
        process.send(SIGTERM)
        let result = try await process.waitForExit(timeout: .seconds(30))
        let documents = try result.outputText.split(separator: "\n").map {
            try JSONDecoder().decode(JSON.self, from: Data($0.utf8))
        }
        #expect(documents.map { $0["revision"] } == [3, 4, 5])
        #expect(documents.map { $0["operation"] } == ["put", "put", "delete"])
    }

    @Test(
        "What deleted keys left is removed, as the dry run said",
        arguments: [try ServerBinary.newest, try ServerBinary.named("2.9.10")]
    )
    func compact(binary: ServerBinary) async throws {
        let rig = try await rig(binary)
        defer { rig.close() }
        let refused = try await rig.kvResult(["compact", "b"], code: 64)
        #expect(refused.errorText.contains("give --force"))
        #expect(try await rig.kv(["compact", "b", "--dry-run"]) == "b: 1 entry of 1 deleted key would be removed\n")
        #expect(
            try await rig.kvDocument(["compact", "b", "--dry-run", "--older-than", "0"])
                == ["bucket": "b", "is_dry_run": true, "older_than_seconds": 0, "keys": 1, "entries": 2]
        )
        #expect(try await rig.messages("b").count == 5)
        #expect(try await rig.kv(["compact", "b", "--force"]) == "b: 1 entry of 1 deleted key removed\n")
        #expect(try await rig.kvDocuments(["history", "b", "gone"]).map { $0["operation"] } == ["delete"])
        #expect(
            try await rig.kvDocument(["compact", "b", "-f", "--older-than", "0"])
                == ["bucket": "b", "is_dry_run": false, "older_than_seconds": 0, "keys": 1, "entries": 1]
        )
        #expect(try await rig.messages("b").count == 3)
        #expect(try await rig.kv(["compact", "b", "-f"]) == "b: 0 entries of 0 deleted keys removed\n")
        #expect(try await rig.kv(["ls", "b"]) == "a.1\nb.2\n")
    }
}
