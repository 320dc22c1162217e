import JetStream
import KVModel
import KeyValue
import TestSupport
import Testing

@testable import Replication

/// What a mirror takes for the end of its source, and what it removes once it is there.
@Suite("The end of a mirror's source", .serialized)
struct MirrorEndTests {
    @Test("A source that was created again, or lost entries, has not come to its end")
    func changedSource() async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        try await server.withClient { client in
            try client.createBucket("src")
            try client.fill("src", count: 3, size: 10, seed: 1)
        }
        try await server.withBuckets { buckets in
            let source = try await buckets.bucket(try BucketName("src"))
            let filter = [try KeyPattern("other.>")]
            #expect(try await MirrorSession.isEnd(of: source, after: 3, []))
            #expect(try await !MirrorSession.isEnd(of: source, after: 2, []))
            #expect(try await MirrorSession.isEnd(of: source, after: 2, filter))
            #expect(try await !MirrorSession.isEnd(of: source, after: 4, []))
            try await buckets.delete(source.name)
            _ = try await buckets.create(BucketConfiguration(name: source.name))
            #expect(try await !MirrorSession.isEnd(of: source, after: 0, []))
            #expect(try await !MirrorSession.isEnd(of: source, after: 3, []))
        }
    }

    @Test("A sweep finds every leftover among keys whose older entries look like some", arguments: ServerBinary.all)
    func sweep(binary: ServerBinary) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        let identity = ReplayIdentity(cluster: "c", bucket: try BucketName("src"), created: "now")
        let prefix = String(decoding: identity.prefix, as: UTF8.self)
        try await server.withClient { client in
            try client.createBucket("dst", history: 2)
            try client.putMany("dst", (0..<50).map { RawPut("key.\($0)", "old") })
            try client.putMany("dst", (0..<7).map { RawPut("left.\($0)", "old") })
            try client.putMany(
                "dst",
                (0..<50).map { number in
                    let id = RawHeader("Nats-Msg-Id", "\(prefix)\(number + 1)")
                    return RawPut(key: Array("key.\(number)".utf8), headers: [id], value: [1])
                }
            )
            try client.putMany("dst", (7..<14).map { RawPut("left.\($0)", "old") })
        }
        try await server.withBuckets { buckets in
            let target = try await buckets.bucket(try BucketName("dst"))
            var sweep = MirrorSweep(target, identity: identity, options: MirrorOptions())
            sweep.portion = 10
            try await sweep.run()
            #expect(sweep.removed == 14)
        }
        let left = try await server.withClient { try $0.getAllMessages("KV_dst").filter { !$0.isTombstone } }
        #expect(left.map { String(decoding: $0.key(in: "dst"), as: UTF8.self) } == (0..<50).map { "key.\($0)" })
        #expect(left.allSatisfy { $0.data == [1] })
    }
}
