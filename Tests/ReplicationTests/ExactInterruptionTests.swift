import Archive
import JetStream
import KVModel
import KeyValue
import Replication
import Synchronization
import TestSupport
import Testing

@Suite("Exact restores that break off", .serialized)
struct ExactInterruptionTests {
    /// Every way of restoring: message blocks, entries, a promoted mirror.
    private static let ways: [(ServerBinary, String)] = ServerBinary.all.flatMap { binary in
        binary.isAtLeast("2.12") ? [(binary, "file"), (binary, "memory")] : [(binary, "file")]
    }

    @Test("Stopped in the middle, it takes away what it has made, and nothing else", arguments: ways)
    func stopped(binary: ServerBinary, storage: String) async throws {
        var rig = try await ExactRig(binary)
        defer { rig.close() }
        try await rig.prepare(4000, largeValues: 10)
        let fixed = rig
        let task = Mutex<Task<RestoreReport, any Error>?>(nil)
        let running = Task {
            try await fixed.restore(
                "copy",
                ["storage=\(storage)"],
                progress: { progress in
                    if progress.entries > 1000 { task.withLock { $0?.cancel() } }
                }
            )
        }
        task.withLock { $0 = running }
        await #expect(throws: (any Error).self) { _ = try await running.value }
        #expect(try await rig.streams() == ["KV_src"])
        try await rig.restore("copy", ["storage=\(storage)"])
        try await rig.expectExact("copy")
    }

    @Test("A cut connection begins it anew", arguments: ways)
    func cut(binary: ServerBinary, storage: String) async throws {
        var rig = try await ExactRig(binary)
        defer { rig.close() }
        try await rig.prepare(2000, largeValues: 12)
        let proxy = try TCPProxy(to: rig.server.port)
        defer { proxy.close() }
        proxy.plan(.cut, at: 4_000_000, in: \.toServer)
        let report = try await rig.restore("copy", url: proxy.url, ["storage=\(storage)"])
        #expect(report.interruptions == 1)
        try await rig.expectExact("copy")
        let left = try await rig.streams()
        #expect(left == ["KV_copy", "KV_src"])
    }

    @Test("A replay of what an exact restore has left begins anew, and the other way round it says no")
    func otherMode() async throws {
        var rig = try await ExactRig(try ServerBinary.newest)
        defer { rig.close() }
        try await rig.prepare(500)
        // The last step fails while another stream takes the subjects: what is left is marked as unfinished.
        try await rig.server.withClient { try $0.createStream(#"{"name":"other","subjects":["$KV.copy.a.>"]}"#) }
        await #expect(throws: (any Error).self) { try await rig.restore("copy") }
        try await rig.server.withClient { try $0.deleteStream("other") }
        let report = try await rig.restore("copy", mode: .replay)
        #expect(report.plan.action == .restart && report.mode == .replay)
        #expect(report.comparison?.isEqual == true)
        await #expect { try await rig.restore("copy") } throws: { ($0 as? ReplicationError)?.code == .targetExists }
    }

    @Test("A foreign stream in the way is not touched")
    func foreign() async throws {
        var rig = try await ExactRig(try ServerBinary.named("2.14.6"))
        defer { rig.close() }
        try await rig.prepare(200)
        try await rig.server.withClient { try $0.createStream(#"{"name":"CISTERN_RESTORE_copy","subjects":["mine"]}"#) }
        await #expect { try await rig.restore("copy", ["storage=memory"]) } throws: {
            ($0 as? ReplicationError)?.code == .targetExists
        }
        #expect(try await rig.streams() == ["CISTERN_RESTORE_copy", "KV_src"])
    }
}
