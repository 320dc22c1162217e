import KVModel
import StreamSnapshot
import Testing

@Suite("backup.json")
struct BackupMetadataTests {
    @Test("What the nats command line writes is read, and written back for every server")
    func roundTrip() throws {
        let text = """
            {
              "config": {"name": "KV_b", "subjects": ["$KV.b.>"], "storage": "file", "max_age": 3600000000000},
              "state": {"messages": 3, "bytes": 120, "first_seq": 2, "first_ts": "2026-11-20T10:00:00.5Z",
                "last_seq": 9, "last_ts": "2026-11-20T10:00:01Z", "consumer_count": 1, "num_deleted": 5}
            }
            """
        let metadata = try BackupMetadata(Array(text.utf8))
        #expect(metadata.configuration["max_age"]?.integer == 3_600_000_000_000)
        #expect(metadata.state.messages == 3)
        #expect(metadata.state.lastSequence == 9)
        #expect(metadata.state.firstTime == Timestamp(rfc3339: "2026-11-20T10:00:00.5Z"))
        let again = try BackupMetadata(try metadata.encoded())
        #expect(again == metadata)
        let empty = #"{"config":{"name":"x"},"state":{"first_ts":"0001-01-01T00:00:00Z"}}"#
        #expect(try BackupMetadata(Array(empty.utf8)).state.firstTime == nil)
    }

    @Test(
        "What is no backup.json is refused",
        arguments: ["", "[]", "{}", #"{"config":{}}"#, #"{"config":{"name":"x"}}"#, #"{"state":{}}"#, "\u{0}"]
    )
    func refused(text: String) {
        #expect(throws: StreamSnapshotError.self) { try BackupMetadata(Array(text.utf8)) }
    }
}
