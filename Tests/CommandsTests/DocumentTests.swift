import Foundation
import KVModel
import Replication
import Testing

@testable import Commands

@Suite("JSON documents")
struct DocumentTests {
    private let bucket = BucketName(unchecked: "orders")

    private func text(_ document: some Encodable) throws -> String {
        String(decoding: try JSONDocument.line(document), as: UTF8.self)
    }

    @Test("An entry of text stays text")
    func textEntry() throws {
        let entry = Entry(
            revision: 7,
            time: Timestamp(nanoseconds: 1),
            operation: .put,
            key: "a/b",
            headers: Array("NATS/1.0\r\nNats-TTL: 5s\r\n\r\n".utf8),
            value: Array("é\n".utf8)
        )
        #expect(
            try text(EntryDocument(entry, bucket: bucket))
                == #"{"bucket":"orders","headers":[{"name":"Nats-TTL","value":"5s"}],"key":"a/b","operation":"put","#
                + #""revision":7,"size":3,"time":"1970-01-01T00:00:00.000000001Z","value":"é\n"}"# + "\n"
        )
    }

    @Test("What is not UTF-8 is Base64, and the key says both")
    func bytes() throws {
        let entry = Entry(
            revision: 1,
            time: Timestamp(nanoseconds: 0),
            operation: .put,
            key: Key(bytes: [0x61, 0xFF]),
            value: [0xFF, 0, 1]
        )
        let document = EntryDocument(entry, bucket: bucket)
        #expect(document.keyBase64 == "Yf8=")
        #expect(document.key == "a\\xff")
        #expect(document.value == nil && document.valueBase64 == "/wAB")
    }

    @Test("A marker has no value, an empty value is one")
    func markers() {
        var entry = Entry(revision: 1, time: Timestamp(nanoseconds: 0), operation: .purge, key: "k")
        #expect(EntryDocument(entry, bucket: bucket).value == nil)
        #expect(EntryDocument(entry, bucket: bucket).operation == "purge")
        entry.operation = .put
        #expect(EntryDocument(entry, bucket: bucket).value?.isEmpty == true)
    }

    @Test("Names are snake case, but names of the server's and the user's own stay")
    func names() throws {
        struct Document: Encodable {
            var firstRevision = 1
            var stream: JSONValue = ["aB_c.dE": ["maxAge": 1]]
        }
        #expect(try text(Document()) == #"{"first_revision":1,"stream":{"aB_c.dE":{"maxAge":1}}}"# + "\n")
    }

    @Test("A mirror and a comparison of its buckets say everything under names that stay")
    func mirrors() throws {
        var report = MirrorReport(
            outcome: .caughtUp,
            source: bucket,
            sourceCluster: "east",
            target: bucket,
            targetCluster: "west"
        )
        report.resumeRevision = 7
        #expect(
            try text(MirrorDocument(report, nil))
                == #"{"bytes_written":0,"duration_seconds":0,"entries_written":0,"expired":0,"filtered":0,"#
                + #""foreign_changes":0,"from_revision":0,"interruptions":0,"is_target_new":false,"kind":"mirror","#
                + #""outcome":"caught-up","removed":0,"resume_revision":7,"resynced":false,"skipped":0,"#
                + #""source":"orders","source_cluster":"east","superseded":0,"target":"orders","#
                + #""target_cluster":"west"}"# + "\n"
        )
        var found = ReconciliationReport(
            source: bucket,
            sourceCluster: "east",
            target: bucket,
            targetCluster: "west",
            revision: 7
        )
        found.foreign = 1
        found.examples = [ReconciliationFinding(kind: .foreign, key: "a", sourceRevision: 5, targetRevision: 9)]
        #expect(
            try text(ReconciliationDocument(found))
                == #"{"additional":0,"differences":1,"different":0,"duration_seconds":0,"equal":0,"examples":"#
                + #"[{"is_repaired":false,"key":"a","kind":"foreign","source_revision":5,"target_revision":9}],"#
                + #""expired":0,"foreign":1,"is_equal":false,"kind":"reconciliation","leftover":0,"missing":0,"#
                + #""newer":0,"pending":0,"repaired":0,"revision":7,"source":"orders","source_cluster":"east","#
                + #""target":"orders","target_cluster":"west"}"# + "\n"
        )
    }

    @Test("A JSON value on one line reads back as the same value")
    func jsonText() throws {
        let value: JSONValue = [
            "text": "a\"\\\n\u{1}é", "list": [1, .number(2.5), true, .null, .unsigned(.max)],
            "object": ["b": [], "a": [:]],
        ]
        let text = JSONDocument.text(value)
        #expect(!text.contains("\n"))
        #expect(try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)) == value)
    }

    @Test(
        "Settings are shown in the words of --set",
        arguments: [
            ("max_age", JSONValue.integer(3_600_000_000_000), "ttl", "1h"),
            ("max_age", .integer(0), "ttl", "none"),
            ("max_msgs_per_subject", .integer(5), "history", "5"),
            ("max_bytes", .integer(-1), "max-bytes", "unlimited"),
            ("storage", .string("file"), "storage", "file"),
            ("placement", .object(["cluster": "east"]), "placement", #"{"cluster":"east"}"#),
        ]
    )
    func settings(field: String, value: JSONValue, name: String, text: String) {
        #expect(SettingsText.name(field) == name)
        #expect(SettingsText.value(field, value) == text)
    }
}
