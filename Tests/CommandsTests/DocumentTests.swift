import Foundation
import KVModel
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
