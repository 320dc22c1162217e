import Archive
import KVModel
import KeyValue
import Replication
import TestSupport
import Testing

/// Entries with a TTL in a bucket that does not heed it: they live on, and so must their copies.
@Suite("TTLs without effect", .serialized)
struct UnheededLifetimeTests {
    private static let key = Array("k".utf8)

    /// Writes an entry whose TTL is over, and would be, if anybody heeded it.
    private func fill(_ server: ServerProcess) async throws {
        try await server.withClient { client in
            let put = RawPut(key: Self.key, headers: [RawHeader("Nats-TTL", "1s")], value: Array("alive".utf8))
            try client.putMany("src", [put, RawPut("other", "x")])
        }
        let written = ContinuousClock.now
        try await eventually("its time to be over") { written.duration(to: .now) > .milliseconds(1500) }
        #expect(try await server.withClient { try $0.getAllMessages("KV_src") }.count == 2, "this server heeds it")
    }

    private func expectAlive(_ messages: [RawMessage], _ bucket: String) throws {
        let found = try #require(messages.first { $0.key(in: bucket) == Self.key })
        #expect(found.data == Array("alive".utf8))
        #expect(!found.headerList.contains { $0.name == "Nats-TTL" }, "it would count from now on")
    }

    @Test("A replay writes them, and a comparison misses them")
    func replay() async throws {
        var rig = try await ExactRig(try ServerBinary.named("2.10.26"))
        defer { rig.close() }
        try await rig.server.withClient { try $0.createBucket("src", history: 5, more: #""deny_delete":false"#) }
        try await fill(rig.server)
        try await rig.capture()
        let report = try await rig.restore("copy", mode: .replay)
        #expect(report.expired == 0 && report.written == 2)
        let messages = try await rig.read("copy")
        try expectAlive(messages, "copy")
        let sequence = try #require(messages.first { $0.key(in: "copy") == Self.key }).seq
        try await rig.server.withClient { try $0.deleteMessage("KV_copy", seq: sequence) }
        let archive = rig.archive
        let comparison = try await rig.withBuckets { buckets in
            let reader = try ArchiveReader.open(path: archive)
            let incarnation = try #require(try reader.incarnations().first)
            let state = try reader.state(of: incarnation.id, at: try reader.resolve(.newest, in: incarnation.id))
            return try await LiveComparison(try await buckets.bucket(try BucketName("copy")), incarnation)
                .run(state, at: state.revision)
        }
        #expect(!comparison.isEqual && comparison.expired == 0)
    }

    @Test("A merge writes them")
    func merge() async throws {
        let rig = try await MergeRig(try ServerBinary.named("2.10.26"))
        defer { rig.close() }
        try await fill(rig.server)
        try await rig.capture()
        let report = try await rig.merge(try MergeRig.options())
        #expect(report.expired == 0)
        try expectAlive(try await rig.messages("dst"), "dst")
    }

    @Test("A mirror writes them, also to a bucket that would heed the TTL")
    func mirror() async throws {
        let old = try await ServerProcess.start(try ServerBinary.named("2.10.26"))
        let new = try await ServerProcess.start()
        let rig = MirrorRig(from: old, to: new)
        defer { rig.close() }
        try await old.withClient { try $0.createBucket("src", history: 5) }
        try await new.withClient { try $0.createBucket("dst", history: 5, more: #""allow_msg_ttl":true"#) }
        try await fill(old)
        let report = try await rig.mirror(try MirrorRig.once())
        #expect(report.expired == 0 && report.written == 2)
        try expectAlive(try await new.withClient { try $0.getAllMessages("KV_dst") }, "dst")
    }
}
