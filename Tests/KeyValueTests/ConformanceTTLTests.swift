import JetStream
import KVModel
import KeyValue
import TestSupport
import Testing

/// ADR-48 by the numbers of the table in ConformanceTable: lifetimes of keys, and the markers they leave.
@Suite("Conformance: lifetimes")
struct ConformanceTTLTests {
    static let with = ServerBinary.all.filter { $0.isAtLeast("2.11") }
    static let without = ServerBinary.all.filter { !$0.isAtLeast("2.11") }

    @Test("8.37 and 48.89 a key that was created with a lifetime expires, and leaves a marker", arguments: with)
    func creation(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, limitMarkerTTL: 60_000_000_000) { rig in
            var events = try await rig.watch()
            let revision = try await rig.kv.create("a", "1", timeToLive: .milliseconds(1200))
            let put = try #require(try await events.next()?.shown)
            #expect(put.revision == revision && put.operation == .put)
            let marker = try #require(try await events.next()?.shown)
            #expect(marker.key == "a" && marker.operation == .purge && marker.revision > revision)
            #expect(try await rig.kv.get("a") == nil)
            #expect(try await rig.kv.keys().all().isEmpty)
            let history = try await rig.kv.history(of: "a")
            #expect(history.last?.operation == .purge)
            try await rig.kv.create("a", "2")
        }
    }

    @Test("8.38 lifetimes that are too short, or where the bucket does not allow them, are refused", arguments: with)
    func refusals(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary) { rig in
            await expect(.timeToLiveNotAllowed) {
                try await rig.kv.create("a", "1", timeToLive: .seconds(5))
            }
            await expect(.invalidTimeToLive) {
                try await rig.kv.create("a", "1", timeToLive: .milliseconds(999))
            }
            let entry = try await rig.kv.latest("a")
            #expect(entry == nil)
        }
    }

    @Test("8.38 and 8.44 servers without lifetimes refuse them in so many words", arguments: without)
    func unsupported(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary) { rig in
            await expect(.unsupported) { try await rig.kv.create("a", "1", timeToLive: .seconds(5)) }
            await expect(.unsupported) { try await rig.kv.purge("a", markerTimeToLive: .seconds(5)) }
            let entry = try await rig.kv.latest("a")
            #expect(entry == nil)
        }
    }

    @Test("8.44 the marker of a purge goes after its lifetime", arguments: with)
    func purge(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 3, limitMarkerTTL: 1_000_000_000) { rig in
            try await rig.kv.put("keep", "0")
            try await rig.kv.put("a", "1")
            // Long enough to be read on a machine whose disk keeps everything waiting for a second.
            try await rig.kv.purge("a", markerTimeToLive: .seconds(5))
            let marker = try await rig.kv.latest("a", consistency: .leader)
            #expect(marker?.operation == .purge)
            try await eventually("the marker to go") {
                try await rig.kv.latest("a", consistency: .leader) == nil
            }
            #expect(try await rig.kv.history(of: "a").isEmpty)
        }
    }

    @Test("48.90 markers of expired keys go after their own lifetime", arguments: with)
    func markers(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, limitMarkerTTL: 1_000_000_000) { rig in
            var events = try await rig.watch()
            try await rig.kv.create("a", "1", timeToLive: .seconds(1))
            #expect(try await events.next()?.shown?.operation == .put)
            #expect(try await events.next()?.shown?.operation == .purge)
            try await eventually("the marker to go") {
                try await rig.kv.latest("a", consistency: .leader) == nil
            }
        }
    }

    @Test("8.49 put, update and delete carry no lifetime", arguments: with)
    func writes(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 5, limitMarkerTTL: 1_000_000_000) { rig in
            let first = try await rig.kv.create("a", "1", timeToLive: .seconds(8))
            let second = try await rig.kv.update("a", "2", expecting: first)
            let third = try await rig.kv.put("a", "3")
            try await eventually("the value with a lifetime to go") {
                try await rig.kv.get("a", at: first, consistency: .leader) == nil
            }
            // Those after it stay.
            #expect(try await rig.kv.get("a")?.revision == third)
            #expect(try await rig.kv.get("a", at: second)?.string == "2")
            let fourth = try await rig.kv.delete("a")
            for revision in [second, third, fourth] {
                let stored = try #require(try await rig.buckets.context.message(rig.name.streamName, at: revision))
                #expect(!String(decoding: stored.headers, as: UTF8.self).contains("TTL"))
            }
        }
    }
}
