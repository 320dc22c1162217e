import KVModel
import KeyValue
import Replication
import TestSupport
import Testing

/// Mirrors against real servers: what they carry over, and what they refuse.
@Suite("Mirrors", .serialized)
struct MirrorTests {
    @Test("The kept history is written first, then every change as it comes", arguments: ServerBinary.all)
    func firstSyncAndLive(binary: ServerBinary) async throws {
        let rig = try await MirrorRig(binary, history: 64)
        defer { rig.close() }
        var generator = BucketGenerator(entries: 500, seed: 3)
        generator.hasOddKeys = true
        let fixed = generator
        let last = try await rig.from.withClient { try fixed.write(to: "src", with: $0) }
        let mirror = rig.start()
        try await mirror.live()
        #expect(try await rig.differences().isEmpty)
        #expect(try await rig.disorder().isEmpty)
        try await rig.from.withClient { client in
            var more = BucketGenerator(entries: 100, seed: 4)
            more.largeValues = 0
            try more.write(to: "src", with: client)
        }
        try await rig.awaitEqual()
        let report = try await mirror.stop()
        #expect(report.outcome == .stopped && report.isTargetNew)
        #expect(report.written > 100 && report.skipped == 0 && report.foreignChanges == 0)
        let again = try await rig.mirror(try MirrorRig.once())
        #expect(again.outcome == .caughtUp && again.written == 0 && !again.isTargetNew)
        #expect(again.fromRevision >= last && again.resumeRevision == last + 100)
        #expect(try await rig.disorder().isEmpty)
    }
}
