import JetStream
import KVModel
import KeyValue
import TestSupport
import Testing

/// ADR-8 by the numbers of the table in ConformanceTable: what reads show.
@Suite("Conformance: reading")
struct ConformanceReadingTests {
    @Test("8.51 get shows the newest value, and nothing of keys without one", arguments: ServerBinary.all)
    func newest(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 3) { rig in
            #expect(try await rig.kv.get("a") == nil)
            try await rig.kv.put("a", "1")
            try await rig.kv.put("a", "2")
            for consistency in [ReadConsistency.anyReplica, .leader] {
                #expect(try await rig.kv.get("a", consistency: consistency)?.string == "2")
                #expect(try await rig.kv.get("b", consistency: consistency) == nil)
            }
            try await rig.kv.delete("a")
            #expect(try await rig.kv.get("a") == nil)
            try await rig.kv.purge("a")
            #expect(try await rig.kv.get("a") == nil)
        }
    }

    @Test("8.52 an entry says bucket, key, value, revision, time, delta and operation", arguments: ServerBinary.all)
    func parts(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary) { rig in
            try await rig.kv.put("x", "0")
            let revision = try await rig.kv.put("a.b", "1")
            let direct = try #require(try await rig.kv.get("a.b"))
            #expect(direct.bucket == rig.name && direct.key == "a.b" && direct.storedKey == "a.b")
            #expect(direct.value == Array("1".utf8) && direct.size == 1 && direct.revision == revision)
            #expect(direct.delta == 0 && direct.operation == .put && direct.headers.isEmpty)
            let info = try await rig.kv.bucket.refreshed().info
            #expect(direct.created > (Timestamp(rfc3339: info.created) ?? .wallClock()))
            // Both ways of reading say the same, to the nanosecond.
            #expect(try await rig.kv.get("a.b", consistency: .leader) == direct)
            let marker = try await rig.kv.delete("a.b")
            let read = try await rig.kv.latest("a.b")
            #expect(read?.revision == marker)
            #expect(try await rig.kv.latest("a.b", consistency: .leader) == read)
        }
    }

    @Test("8.53 where direct gets are not allowed, or no longer, the leader is asked", arguments: ServerBinary.all)
    func withoutDirectGet(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary) { rig in
            try await rig.kv.put("a", "1")
            var configuration = rig.kv.bucket.configuration
            configuration.allowsDirectGet = false
            let changed = KeyValueBucket(try await rig.buckets.update(configuration))
            // One handle knows, the other does not.
            #expect(try await changed.get("a")?.string == "1")
            #expect(try await rig.kv.get("a")?.string == "1")
            #expect(try await rig.kv.get("a", at: 1)?.string == "1")
            #expect(try await rig.kv.get("b") == nil)
        }
    }

    @Test("8.55 get at a revision shows that value of that key", arguments: ServerBinary.all)
    func atRevision(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 5) { rig in
            let first = try await rig.kv.put("a", "1")
            let other = try await rig.kv.put("b", "2")
            let marker = try await rig.kv.delete("a")
            for consistency in [ReadConsistency.anyReplica, .leader] {
                #expect(try await rig.kv.get("a", at: first, consistency: consistency)?.string == "1")
                #expect(try await rig.kv.get("a", at: other, consistency: consistency) == nil)
                #expect(try await rig.kv.get("a", at: marker, consistency: consistency) == nil)
                #expect(try await rig.kv.get("a", at: 99, consistency: consistency) == nil)
            }
        }
    }

    @Test(
        "8.56 and 8.57 history goes from the oldest entry to the newest, markers included",
        arguments: ServerBinary.all
    )
    func history(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 4) { rig in
            for value in ["1", "2", "3"] {
                try await rig.kv.put("a", value)
                try await rig.kv.put("b", value)
            }
            try await rig.kv.delete("a")
            try await rig.kv.put("a", "4")
            let history = try await rig.kv.history(of: "a")
            #expect(history.map(\.string) == ["2", "3", "", "4"])
            #expect(history.map(\.operation) == [.put, .put, .delete, .put])
            #expect(history.map(\.revision) == [3, 5, 7, 8])
            #expect(history.map(\.delta) == [3, 2, 1, 0])
            #expect(try await rig.kv.history(of: "c").isEmpty)
        }
    }

    @Test(
        "8.58 to 8.60 keys are listed once, without deleted ones, by patterns that may overlap",
        arguments: ServerBinary.all
    )
    func keys(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 3) { rig in
            #expect(try await rig.kv.keys().all().isEmpty)
            for number in 0..<300 {
                try await rig.kv.put(Key("n.\(number % 100)"), "\(number)")
            }
            for number in 0..<10 { try await rig.kv.delete(Key("n.\(number)")) }
            try await rig.kv.purge("n.10")
            try await rig.kv.put("m.1.x", "")
            var listed: [Key] = []
            for try await key in rig.kv.keys() { listed.append(key) }
            #expect(listed.count == Set(listed).count)
            #expect(Set(listed) == Set((11..<100).map { Key("n.\($0)") } + ["m.1.x"]))
            func matching(_ patterns: String...) async throws -> [Key] {
                try await rig.kv.keys(matching: patterns.map { try KeyPattern($0) }).all()
            }
            #expect(try await matching("m.>") == ["m.1.x"])
            #expect(try await matching("n.50", "m.*.x") == ["m.1.x", "n.50"])
            #expect(try await matching("n.50", "n.*") == (11..<100).map { Key("n.\($0)") }.sorted())
            #expect(try await matching("nothing.>").isEmpty)
        }
    }

    @Test("8.60 a key that is written to all the time is listed", arguments: ServerBinary.all)
    func keysUnderWrites(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary) { rig in
            let keys = (0..<40).map { Key("hot.\($0)") }
            for key in keys { try await rig.kv.put(key, "0") }
            let writer = Task {
                while !Task.isCancelled { for key in keys { try await rig.kv.put(key, "1") } }
            }
            for _ in 0..<8 { #expect(try await rig.kv.keys().all() == keys.sorted()) }
            writer.cancel()
            do { try await writer.value } catch is CancellationError {}
        }
    }

    @Test("8.61 markers that servers leave say what happened", arguments: ServerBinary.all)
    func serverMarkers(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 5) { rig in
            let server = try await SharedServers.server(binary)
            let prefix = rig.name.subjectPrefix
            for (key, reason) in [("expired", "MaxAge"), ("purged", "Purge"), ("removed", "Remove")] {
                try await rig.kv.put(Key(key), "1")
                try await server.withClient { client in
                    let header = RawHeader("Nats-Marker-Reason", reason)
                    _ = try client.request(prefix + key, headers: [header])
                }
                #expect(try await rig.kv.get(Key(key)) == nil)
            }
            #expect(try await rig.kv.latest("expired")?.operation == .purge)
            #expect(try await rig.kv.latest("purged")?.operation == .purge)
            #expect(try await rig.kv.latest("removed")?.operation == .delete)
            #expect(try await rig.kv.keys().all().isEmpty)
        }
    }

    @Test("8.62 a handle that only reads shows the same", arguments: ServerBinary.all)
    func readOnly(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 2) { rig in
            try await rig.kv.put("a", "1")
            try await rig.kv.put("a", "2")
            let reader: any KeyValueReading = rig.kv.readOnly
            #expect(reader.name == rig.name)
            #expect(try await reader.get("a", at: nil, consistency: nil)?.string == "2")
            #expect(try await reader.latest("a", consistency: .leader)?.string == "2")
            #expect(try await reader.history(of: "a").count == 2)
            #expect(try await reader.keys(matching: []).all() == ["a"])
            for try await entry in reader.watch([], options: KeyWatchOptions()).entries {
                #expect(entry.string == "2")
                break
            }
        }
    }

    @Test("8.63 the leader shows what was acknowledged before", arguments: ServerBinary.all)
    func readAfterWrite(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary) { rig in
            let kv = KeyValueBucket(rig.kv.bucket, consistency: .leader)
            for number in 0..<50 {
                let revision = try await kv.put("a", "\(number)")
                #expect(try await kv.get("a")?.revision == revision)
            }
        }
    }
}
