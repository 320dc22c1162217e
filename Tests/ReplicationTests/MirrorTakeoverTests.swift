import KVModel
import KeyValue
import Replication
import TestSupport
import Testing

/// Runs of one mirror that follow each other, or think that they are alone: nothing twice, nothing old over new.
@Suite("Runs of a mirror that take over from each other", .serialized)
struct MirrorTakeoverTests {
    @Test("Several take over in turn while the source is written to; each one before stops by itself")
    func inTurn() async throws {
        let rig = try await MirrorRig(servers: 2, more: #""duplicate_window":100000000"#)
        defer { rig.close() }
        let writer = BackgroundWriter(port: rig.from.port, bucket: "src", keys: 300, size: 40, perSecond: 1500, seed: 7)
        var previous: RunningMirror?
        for _ in 0..<(isLongRun ? 20 : 4) {
            let next = rig.start()
            try await next.live()
            let before = next.progress?.entries ?? 0
            try await eventually("some writes of its own") { next.progress?.entries ?? 0 > before + 300 }
            if let previous { await expect(.claimedByOther) { try await previous.report() } }
            previous = next
        }
        let written = try await writer.stop()
        try await rig.awaitEqual()
        #expect(try await rig.disorder().isEmpty)
        let report = try await previous?.stop()
        #expect(report?.foreignChanges == 0 && report?.resumeRevision == UInt64(written))
    }

    @Test("What a run sent that was cut off and comes back later changes nothing")
    func late() async throws {
        let rig = try await MirrorRig(servers: 2, more: #""duplicate_window":100000000"#)
        defer { rig.close() }
        let proxy = try TCPProxy(to: rig.to.port)
        defer { proxy.close() }
        try await rig.from.withClient { try $0.fill("src", count: 600, keys: 200, size: 50, seed: 1) }
        let late = rig.start(to: proxy.url)
        try await late.live()
        proxy.stall()
        // Sent by the one that is cut off, and stored much later.
        try await rig.from.withClient { client in
            try client.fill("src", count: 300, keys: 300, size: 50, seed: 2)
            try client.putMany("src", (0..<50).map { .delete(Array("key.\($0)".utf8)) })
        }
        let next = rig.start()
        try await next.live()
        try await rig.from.withClient { client in
            try client.fill("src", count: 400, keys: 100, size: 50, seed: 3)
            try client.putMany("src", (60..<90).map { .purge(Array("key.\($0)".utf8)) })
        }
        try await rig.awaitEqual()
        let last = try await rig.to.withClient { try $0.streamInfo("KV_dst").lastSequence }
        proxy.resume()
        await expect(.claimedByOther) { try await late.report() }
        #expect(try await rig.to.withClient { try $0.streamInfo("KV_dst").lastSequence } == last)
        #expect(try await rig.differences().isEmpty)
        #expect(try await rig.disorder().isEmpty)
        try await next.stop()
    }

    @Test("Whoever holds an older lease never writes after one who holds a newer")
    func leases() async throws {
        let rig = try await MirrorRig()
        defer { rig.close() }
        _ = try await rig.from.withClient { try $0.put("src", "k", "1") }
        let old = rig.start(try MirrorRig.following { $0.fencingToken = 5 })
        try await old.live()
        let new = rig.start(try MirrorRig.following { $0.fencingToken = 7 })
        try await new.live()
        await expect(.claimedByOther) { try await old.report() }
        await expect(.claimedByOther) { try await rig.mirror(try MirrorRig.once { $0.fencingToken = 6 }) }
        _ = try await rig.from.withClient { try $0.put("src", "k", "2") }
        try await rig.awaitEqual()
        #expect(try await new.stop().outcome == .stopped)
    }
}
