import KVModel
import KeyValue
import Replication
import TestSupport
import Testing

/// Two mirrors that point at each other.
@Suite("Mirrors in both directions", .serialized)
struct MirrorLoopTests {
    @Test("Over keys that have nothing in common nothing goes round; over others the second is refused")
    func both() async throws {
        let rig = try await MirrorRig(servers: 2)
        defer { rig.close() }
        try await rig.to.withClient { try $0.createBucket("src", history: 5) }
        let back = MirrorRig(from: rig.to, to: rig.from)
        try await rig.from.withClient { try $0.fill("src", count: 40, keys: 20, size: 10, prefix: "a.", seed: 1) }
        try await rig.to.withClient { try $0.fill("src", count: 40, keys: 20, size: 10, prefix: "b.", seed: 2) }
        let options = try ["a.>", "b.>"].map { pattern in
            try MirrorRig.following { $0.filter = [try KeyPattern(pattern)] }
        }
        let there = rig.start(options[0], target: "src")
        try await there.live()
        let home = back.start(options[1], target: "src")
        try await home.live()
        try await rig.from.withClient { try $0.fill("src", count: 40, keys: 20, size: 10, prefix: "a.", seed: 3) }
        try await rig.to.withClient { try $0.fill("src", count: 40, keys: 20, size: 10, prefix: "b.", seed: 4) }
        try await rig.awaitEqual(target: "src")
        for server in [rig.from, rig.to] {
            #expect(try await server.withClient { try $0.streamInfo("KV_src").lastSequence } == 160)
        }
        try await home.stop()
        let overlapping: [@Sendable (inout MirrorOptions) throws -> Void] = [
            { _ in }, { $0.filter = [try KeyPattern("*.x")] },
            {
                $0.filter = [try KeyPattern("c.>")]
                $0.mapping = try KeyMapping([try KeyMapping.Rule("c.*=a.$1.c")])
            },
        ]
        for change in overlapping {
            // Its record says what it mirrors as long as that is there.
            try await rig.from.withClient { client in
                let records = try client.getAllMessages("KV_cistern-mirrors")
                for record in records {
                    let key = String(decoding: record.key(in: "cistern-mirrors"), as: UTF8.self)
                    try client.api("STREAM.PURGE.KV_cistern-mirrors", "{\"filter\":\"$KV.cistern-mirrors.\(key)\"}")
                }
            }
            let refused = try MirrorRig.once(change)
            await expect(.mirrorsOverlap) { try await back.mirror(refused, target: "src") }
        }
        // What was refused leaves nothing behind that would stand in the first one's way.
        try await there.stop()
        #expect(try await rig.mirror(try MirrorRig.once { $0.filter = options[0].filter }, target: "src").written == 0)
    }

    @Test("What came from the target does not travel back there")
    func origins() async throws {
        let rig = try await MirrorRig(servers: 2)
        defer { rig.close() }
        try await rig.from.withClient { try $0.fill("src", count: 10, size: 10, seed: 1) }
        try await rig.mirror(try MirrorRig.once(), target: "src")
        _ = try await rig.to.withClient { client in
            try client.deleteStream("KV_cistern-mirrors")
            try client.put("src", "new", "x")
        }
        let report = try await MirrorRig(from: rig.to, to: rig.from).mirror(try MirrorRig.once(), target: "src")
        #expect(report.written == 1 && report.filtered == 10)
        #expect(try await rig.from.withClient { try $0.streamInfo("KV_src").lastSequence } == 11)
    }
}
