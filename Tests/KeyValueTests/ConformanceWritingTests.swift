import KVModel
import KeyValue
import NATSProtocol
import TestSupport
import Testing

/// ADR-8 with ADR-48, by the numbers of the table in ConformanceTable: what writes do.
@Suite("Conformance: writing")
struct ConformanceWritingTests {
    @Test("8.28 illegal keys are refused before anything is sent, by every call", arguments: ServerBinary.all)
    func illegalKeys(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary) { rig in
            for key: Key in ["", ".a", "a.", "a..b", "a b", "a*b", "ä", "a>"] {
                await expect(.invalidKey) { try await rig.kv.put(key, "v") }
                await expect(.invalidKey) { try await rig.kv.create(key, "v") }
                await expect(.invalidKey) { try await rig.kv.update(key, "v", expecting: 0) }
                await expect(.invalidKey) { try await rig.kv.delete(key) }
                await expect(.invalidKey) { try await rig.kv.purge(key) }
                await expect(.invalidKey) { _ = try await rig.kv.get(key) }
                await expect(.invalidKey) { _ = try await rig.kv.history(of: key) }
                await expect(.invalidKey) { try await rig.kv.revert(key, to: 1) }
            }
            for key: Key in ["a", "A.b-c/d_e=f.0", "=", "-", "/", "_"] {
                try await rig.kv.put(key, "v")
                #expect(try await rig.kv.get(key)?.string == "v")
            }
        }
    }

    @Test("8.29 put answers the revision, which rises over all keys", arguments: ServerBinary.all)
    func revisions(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary) { rig in
            var revisions: [Revision] = []
            for key: Key in ["a", "b", "a", "c"] { revisions.append(try await rig.kv.put(key, "v")) }
            #expect(revisions == [1, 2, 3, 4])
        }
    }

    @Test("8.30 values of any bytes and sizes come back", arguments: ServerBinary.all)
    func values(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary) { rig in
            let large = (0..<(1 << 20) - 512).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            for (key, value): (Key, [UInt8]) in [("none", []), ("all", Array(0...255)), ("large", large)] {
                try await rig.kv.put(key, value)
                #expect(try await rig.kv.get(key)?.value == value)
                #expect(try await rig.kv.get(key, consistency: .leader)?.value == value)
            }
        }
    }

    @Test("8.31 texts and JSON are written and read", arguments: ServerBinary.all)
    func typed(binary: ServerBinary) async throws {
        struct Order: Codable, Equatable { var id = 17, lines = ["a", "ä"] }
        try await ConformanceRig.run(binary) { rig in
            try await rig.kv.put("text", "grüße")
            #expect(try await rig.kv.get("text")?.string == "grüße")
            let first = try await rig.kv.create("order", json: Order())
            #expect(try await rig.kv.get("order")?.json(Order.self) == Order())
            try await rig.kv.update("order", json: Order(id: 18), expecting: first)
            let entry = try #require(try await rig.kv.get("order"))
            #expect(try entry.json(Order.self).id == 18)
            await expect(.undecodable) { _ = try entry.json([Int].self) }
            try await rig.kv.put("bytes", [0xFF, 0xFE])
            #expect(try await rig.kv.get("bytes")?.string == nil)
        }
    }

    @Test("8.32 and 8.33 update compares the revision, and says the actual one", arguments: ServerBinary.all)
    func updates(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary) { rig in
            let first = try await rig.kv.update("a", "1", expecting: 0)
            let second = try await rig.kv.update("a", "2", expecting: first)
            await #expect {
                try await rig.kv.update("a", "3", expecting: first)
            } throws: { error in
                let error = error as? KeyValueError
                return error?.code == .wrongRevision && (error?.revision ?? second) == second
            }
            await expect(.wrongRevision) { try await rig.kv.update("a", "3", expecting: 0) }
            #expect(try await rig.kv.get("a")?.string == "2")
        }
    }

    @Test("8.34 to 8.36 create wants a key without a value: new, deleted or purged", arguments: ServerBinary.all)
    func creation(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 3) { rig in
            try await rig.kv.create("a", "1")
            await expect(.keyExists) { try await rig.kv.create("a", "2") }
            try await rig.kv.delete("a")
            try await rig.kv.create("a", "3")
            try await rig.kv.purge("a")
            try await rig.kv.create("a", "4")
            #expect(try await rig.kv.get("a")?.string == "4")
            #expect(try await rig.kv.history(of: "a").map(\.operation) == [.purge, .put])
        }
    }

    @Test("8.36 of many who create a key over a marker one succeeds", arguments: ServerBinary.all)
    func creationRace(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary) { rig in
            try await rig.kv.put("a", "1")
            try await rig.kv.delete("a")
            let created = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<16 {
                    group.addTask {
                        do {
                            try await rig.kv.create("a", "\(number)")
                            return true
                        } catch let error as KeyValueError where error.code == .keyExists {
                            return false
                        }
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(created == 1)
        }
    }

    @Test(
        "8.39 to 8.41 delete leaves a marker and the history, whether the key exists or not",
        arguments: ServerBinary.all
    )
    func deletion(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 5) { rig in
            let first = try await rig.kv.put("a", "1")
            await expect(.wrongRevision) { try await rig.kv.delete("a", expecting: first + 1) }
            try await rig.kv.delete("a", expecting: first)
            #expect(try await rig.kv.get("a") == nil)
            let marker = try #require(try await rig.kv.latest("a"))
            #expect(marker.operation == .delete && marker.value.isEmpty)
            #expect(fields(marker).contains(.init(name: "KV-Operation", value: "DEL")))
            #expect(try await rig.kv.history(of: "a").map(\.operation) == [.put, .delete])
            try await rig.kv.delete("never")
            #expect(try await rig.kv.latest("never")?.operation == .delete)
        }
    }

    @Test("8.42 and 8.43 purge leaves its marker alone", arguments: ServerBinary.all)
    func purging(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 5) { rig in
            for value in ["0", "1", "2"] { try await rig.kv.put("b", value) }
            for value in ["1", "2", "3"] { try await rig.kv.put("a", value) }
            await expect(.wrongRevision) { try await rig.kv.purge("a", expecting: 4) }
            try await rig.kv.purge("a", expecting: 6)
            #expect(try await rig.kv.history(of: "a").map(\.operation) == [.purge])
            #expect(try await rig.kv.history(of: "b").count == 3)
            let fields = fields(try #require(try await rig.kv.latest("a")))
            #expect(fields.contains(.init(name: "KV-Operation", value: "PURGE")))
            #expect(fields.contains(.init(name: "Nats-Rollup", value: "sub")))
        }
    }

    @Test("8.45 markers are removed by age: old ones wholly, young ones keep the marker", arguments: ServerBinary.all)
    func compaction(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 5) { rig in
            // Older servers keep the first message of a stream through a purge of its subject.
            try await rig.kv.put("first", "0")
            for key: Key in ["a", "b", "c"] {
                for value in ["1", "2"] { try await rig.kv.put(key, value) }
            }
            try await rig.kv.delete("a")
            try await rig.kv.purge("b")
            let young = try await rig.kv.purgeDeletes()
            #expect(young == PurgedMarkers(keys: 2, messages: 2))
            #expect(try await rig.kv.history(of: "a").map(\.operation) == [.delete])
            #expect(try await rig.kv.history(of: "b").map(\.operation) == [.purge])
            let all = try await rig.kv.purgeDeletes(olderThan: .zero)
            #expect(all == PurgedMarkers(keys: 2, messages: 2))
            #expect(try await rig.kv.history(of: "a").isEmpty)
            #expect(try await rig.kv.history(of: "c").map(\.string) == ["1", "2"])
            #expect(try await rig.kv.purgeDeletes(olderThan: .zero) == PurgedMarkers())
        }
    }

    @Test("8.46 what is written while markers are removed stays", arguments: ServerBinary.all)
    func compactionRace(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 2) { rig in
            try await rig.kv.put("first", "0")
            let keys = (0..<20).map { Key("key.\($0)") }
            for key in keys {
                try await rig.kv.put(key, "old")
                try await rig.kv.delete(key)
            }
            async let writing: Void = {
                for key in keys.reversed() { try await rig.kv.put(key, "new") }
            }()
            try await rig.kv.purgeDeletes(olderThan: .zero)
            try await writing
            for key in keys { #expect(try await rig.kv.get(key, consistency: .leader)?.string == "new") }
        }
    }

    @Test("8.47 revert puts an old value again, unless somebody else writes", arguments: ServerBinary.all)
    func reverting(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 5) { rig in
            let first = try await rig.kv.put("a", "1")
            let second = try await rig.kv.put("a", "2")
            let other = try await rig.kv.put("b", "x")
            let third = try await rig.kv.revert("a", to: first)
            #expect(third == other + 1)
            #expect(try await rig.kv.get("a")?.string == "1")
            let marker = try await rig.kv.delete("a")
            #expect(try await rig.kv.revert("a", to: second) == marker + 1)
            await expect(.keyNotFound) { try await rig.kv.revert("a", to: other) }
            await expect(.keyNotFound) { try await rig.kv.revert("a", to: marker) }
            await expect(.keyNotFound) { try await rig.kv.revert("a", to: 999) }
        }
    }

    @Test(
        "8.8 and 8.9 what is too large, or too much, is refused with the key and the bucket",
        arguments: ServerBinary.all
    )
    func limits(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, maximumValueSize: 100) { rig in
            await expect(.valueTooLarge) { try await rig.kv.put("a", [UInt8](repeating: 1, count: 200)) }
            await expect(.valueTooLarge) { try await rig.kv.put("a", [UInt8](repeating: 1, count: 9 << 20)) }
            try await rig.kv.put("a", "small")
        }
        try await ConformanceRig.run(binary, maximumBytes: 2000) { rig in
            try await rig.kv.put("a", [UInt8](repeating: 1, count: 1000))
            await expect(.bucketFull) { try await rig.kv.put("b", [UInt8](repeating: 1, count: 1500)) }
            #expect(try await rig.kv.get("a")?.size == 1000)
        }
    }

    @Test("8.50 a bucket that is gone is said to be", arguments: ServerBinary.all)
    func gone(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary) { rig in
            try await rig.kv.put("a", "1")
            try await rig.buckets.delete(rig.name)
            await expect(.bucketNotFound) { try await rig.kv.put("a", "2") }
            await expect(.bucketNotFound) { _ = try await rig.kv.get("a") }
            await expect(.bucketNotFound) { _ = try await rig.kv.history(of: "a") }
            await expect(.bucketNotFound) { for try await _ in rig.kv.keys() {} }
            await expect(.bucketNotFound) { for try await _ in rig.kv.watch() {} }
            _ = try await rig.buckets.create(BucketConfiguration(name: rig.name))
        }
    }

    @Test("8.118 repeated writes are stored once", arguments: ServerBinary.all)
    func repetition(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 64) { rig in
            let server = try await SharedServers.server(binary)
            let proxy = try TCPProxy(to: server.port)
            defer { proxy.close() }
            try await withBuckets(at: "nats://127.0.0.1:\(proxy.port)") { buckets in
                let kv = KeyValueBucket(try await buckets.bucket(rig.name), repeatsWrites: true)
                for number in 0..<30 {
                    if number % 5 == 0 { proxy.cut() }
                    try await kv.put("a", "\(number)")
                }
            }
            #expect(try await rig.kv.history(of: "a").compactMap(\.string) == (0..<30).map(String.init))
        }
    }
}

/// The header lines of an entry that it keeps in the bucket.
private func fields(_ entry: KeyValueEntry) -> [HeaderBlock.Field] {
    entry.headers.withUnsafeBytes { HeaderBlock($0).fields }
}
