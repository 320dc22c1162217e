import Foundation
import TestSupport
import Testing

@Suite("kv: values")
struct KVValueTests {
    @Test(
        "Values are written, read, and changed only as they are expected to be",
        arguments: [try ServerBinary.newest, try ServerBinary.named("2.9.10")]
    )
    func values(binary: ServerBinary) async throws {
        let rig = try await Rig(binary)
        defer { rig.close() }
        try await rig.kv(["add", "b", "--history", "5"])
        #expect(try await rig.kv(["put", "b", "k", "one"]) == "one\n")
        #expect(try await rig.kvDocument(["put", "b", "k", "two"])["revision"] == 2)
        #expect(try await rig.kv(["get", "b", "k", "--raw"]) == "two")
        #expect(try await rig.kv(["get", "b", "k", "--raw", "--revision", "1"]) == "one")
        let read = try await rig.kvDocument(["get", "b", "k"])
        #expect(read["value"] == "two" && read["bucket"] == "b" && read["operation"] == "put")

        let exists = try await rig.kvResult(["create", "b", "k", "new"], code: 73)
        #expect(exists.errorText.contains("key k in bucket b exists already"))
        #expect(try await rig.kv(["create", "b", "n", "new"]) == "new\n")
        let wrong = try await rig.kvResult(["update", "b", "k", "three", "1"], code: 1)
        #expect(wrong.errorText.contains("changed by somebody else"))
        #expect(try await rig.kv(["update", "b", "k", "three", "2"]) == "three\n")
        #expect(
            try await rig.kvDocument(["update-key", "b", "fresh", "-", "0"], input: "from stdin")
                == ["bucket": "b", "key": "fresh", "operation": "update", "revision": 5]
        )
        #expect(try await rig.kv(["get", "b", "fresh", "--raw"]) == "from stdin")

        #expect(
            try await rig.kvDocument(["revert", "b", "k", "1"])
                == ["bucket": "b", "key": "k", "operation": "revert", "revision": 6]
        )
        #expect(try await rig.kv(["get", "b", "k", "--raw"]) == "one")
        let reverted = try await rig.kv(["revert", "b", "k", "2", "--force"])
        #expect(reverted.contains("KEY") && reverted.contains("two"))

        let missing = try await rig.kvResult(["del", "b", "k", "--dry-run"])
        #expect(missing.outputText == "key k of bucket b would be deleted: revision 7, 3 B\n")
        #expect(try await rig.kvDocument(["del", "b", "k"])["operation"] == "delete")
        let gone = try await rig.kvResult(["get", "b", "k"], code: 1)
        #expect(gone.errorText.contains("bucket b has no value of key k"))
        #expect(gone.errorText.contains("cistern kv history b k"))
        #expect(try await rig.kvDocument(["create", "b", "k", "again"])["operation"] == "create")
        #expect(try await rig.kvDocument(["purge", "b", "k", "--force"])["operation"] == "purge")
        let history = try await rig.kvDocuments(["history", "b", "k"])
        #expect(history.map { $0["operation"] } == ["purge"])
        try await rig.kvResult(["history", "b", "never"], code: 1)
        try await rig.kvResult(["put", "b", "bad key", "v"], code: 64)
    }

    @Test("A value is taken byte for byte from standard input or a file, and shown whole where no terminal is")
    func sources() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.kv(["add", "b"])
        let binary = (0...255).map { UInt8($0) } + Array("\n".utf8)
        let file = rig.folder.file("value")
        try Data(binary).write(to: URL(fileURLWithPath: file))
        for arguments in [["put", "b", "k"], ["create", "b", "c"], ["update", "b", "k", "1"]] {
            #expect(try await rig.kv(arguments + ["--file", file]).isEmpty)
        }
        for key in ["k", "c"] {
            #expect(try await rig.kvResult(["get", "b", key, "--raw"]).output == binary)
        }
        #expect(try await rig.kv(["get", "b", "k"]).contains("0x000102"))
        #expect(
            try await rig.kvDocument(["get", "b", "k"])["value_base64"] == .text(Data(binary).base64EncodedString())
        )
        try await rig.kv(["put", "b", "k"], input: "typed\n")
        #expect(try await rig.kv(["get", "b", "k", "--raw"]) == "typed\n")
        try await rig.kv(["put", "b", "empty", ""])
        #expect(try await rig.kvDocument(["get", "b", "empty"])["value"] == "")

        let long = String(repeating: "0123456789", count: 30)
        try await rig.kv(["put", "b", "long", long])
        #expect(try await rig.kv(["get", "b", "long"]).contains(long))
        let absent = try await rig.kvResult(["put", "b", "k", "--file", rig.folder.file("absent")], code: 1)
        #expect(absent.errorText.contains("absent cannot be read: No such file"))
        let folder = try await rig.kvResult(["put", "b", "k", "--file", rig.folder.path], code: 1)
        #expect(folder.errorText.contains("is a folder"))
    }

    @Test("A history shows keys, operations, lengths and what comes after")
    func history() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.kv(["add", "b", "--history", "3"])
        try await rig.kv(["put", "b", "a.k", String(repeating: "x", count: 100)])
        try await rig.kv(["del", "b", "a.k"])
        try await rig.kv(["put", "b", "a.k", "v"])
        let lines = try await rig.kv(["history", "b", "a.k"]).split(separator: "\n").map {
            $0.split(separator: " ", omittingEmptySubsequences: true).map { String($0) }
        }
        #expect(lines.map(\.first) == ["KEY", "a.k", "a.k", "a.k"])
        #expect(lines[0] == ["KEY", "REVISION", "OP", "CREATED", "LENGTH", "VALUE"])
        #expect(lines[1...].map { $0[2] } == ["PUT", "DEL", "PUT"])
        #expect(lines[1][4] == "100" && lines[1][5].count == 40 && lines[1][5].contains("..."))
        let documents = try await rig.kvDocuments(["history", "b", "a.k"])
        #expect(documents.map { $0["delta"] } == [2, 1, 0])
        #expect(documents.map { $0["revision"] } == [1, 2, 3])
        let unheld = try await rig.kvResult(["revert", "b", "a.k", "2"], code: 1)
        #expect(unheld.errorText.contains("has no value of key a.k at revision 2"))
        try await rig.kv(["add", "one"])
        try await rig.kv(["put", "one", "k", "1"])
        try await rig.kv(["put", "one", "k", "2"])
        let single = try await rig.kvResult(["revert", "one", "k", "1"], code: 1)
        #expect(single.errorText.contains("cistern kv edit one --history 5"))
    }

    @Test("Keys and markers go after their TTL where the bucket allows it, and are refused where not")
    func lifetimes() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.kv(["add", "b", "--marker-ttl", "1s"])
        try await rig.kv(["create", "b", "long", "v", "--ttl", "1h"])
        let stored = try await rig.messages("b").first?.headerList.map(\.description)
        #expect(stored == ["Nats-Expected-Last-Subject-Sequence: 0", "Nats-TTL: 3600"])
        try await rig.kv(["create", "b", "short", "v", "--ttl", "1s"])
        try await rig.kv(["put", "b", "p", "v"])
        try await rig.kv(["purge", "b", "p", "--ttl", "1s", "--force"])
        try await eventually("both to be gone") { try await rig.messages("b").count == 1 }
        #expect(try await rig.kv(["ls", "b"]) == "long\n")
        try await rig.kv(["add", "plain"])
        let refused = try await rig.kvResult(["create", "plain", "k", "v", "--ttl", "1s"], code: 1)
        #expect(refused.errorText.contains("plain"))
        let old = try await Rig(try ServerBinary.named("2.10.26"))
        defer { old.close() }
        try await old.kv(["add", "b"])
        let unsupported = try await old.kvResult(["create", "b", "k", "v", "--ttl", "1s"], code: 1)
        #expect(unsupported.errorText.contains("2.10.26"))
        try await old.kvResult(["get", "b", "k"], code: 1)
        let marker = try await old.kvResult(["add", "c", "--marker-ttl", "1m"], code: 1)
        #expect(marker.errorText.contains("2.10.26"))
    }
}
