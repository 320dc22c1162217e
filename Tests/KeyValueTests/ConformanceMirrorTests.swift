import JetStream
import KVModel
import KeyValue
import TestSupport
import Testing

/// What applications see of a mirror, by the numbers of the table in ConformanceTable.
@Suite("Conformance: mirrors")
struct ConformanceMirrorTests {
    @Test(
        "8.48, 8.54 and 8.83 a mirror is read, watched and written through under the origin's keys",
        arguments: ServerBinary.all
    )
    func mirror(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 3) { rig in
            try await rig.kv.put("a.b", "1")
            var configuration = BucketConfiguration(name: try ConformanceRig.newName())
            configuration.history = 3
            configuration.mirror = BucketOrigin(rig.name)
            let mirror = KeyValueBucket(try await rig.buckets.create(configuration))
            var entries = mirror.watch([try KeyPattern("a.*")]).entries.makeAsyncIterator()
            let first = try #require(try await entries.next())
            #expect(first.key == "a.b" && first.string == "1" && first.bucket == mirror.name)
            // What is written through the mirror is in the origin, and comes back.
            let revision = try await mirror.put("a.c", "2")
            #expect(try await rig.kv.get("a.c", consistency: .leader)?.revision == revision)
            let second = try #require(try await entries.next())
            #expect(second.key == "a.c" && second.revision == revision)
            // A direct get of the mirror is answered by what the mirror holds.
            let read = try #require(try await mirror.get("a.c"))
            #expect(read.string == "2" && read.revision == revision && read.bucket == mirror.name)
            #expect(try await mirror.keys().all() == ["a.b", "a.c"])
            let deleted = try await mirror.delete("a.c", expecting: revision)
            #expect(try await rig.kv.get("a.c", consistency: .leader) == nil)
            let third = try #require(try await entries.next())
            #expect(third.revision == deleted && third.operation == .delete)
            try await rig.buckets.delete(mirror.name)
        }
    }

    @Test("48.88 the status shows how long markers stay", arguments: ConformanceTTLTests.with)
    func status(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, limitMarkerTTL: 60_000_000_000) { rig in
            let status = try await rig.kv.status()
            #expect(status.limitMarkerTimeToLive == .seconds(60))
        }
    }
}
