import Archive
import KVModel
import Replication
import TestSupport
import Testing

@Suite("Exact restore on real servers", .serialized)
struct ExactRestoreTests {
    @Test("A large bucket comes back exactly, under changed settings, and stays so", arguments: ServerBinary.all)
    func large(binary: ServerBinary) async throws {
        var rig = try await ExactRig(binary)
        defer { rig.close() }
        try await rig.prepare(ExactRig.entries(20_000), largeValues: 4)
        var settings = ["history=3", "ttl=30d", "description=moved", "max-bytes=2GB"]
        if binary.isAtLeast("2.10") { settings += ["compression=s2", "metadata.owner=me"] }
        let report = try await rig.restore("copy", mode: .auto, settings)
        #expect(report.mode == .exact)
        #expect(report.comparison?.isEqual == true)
        #expect(report.comparison?.comparesRevisions == true)
        #expect(report.written + report.beyondHistory == report.entries)
        #expect(report.beyondHistory > 0)
        try await rig.expectExact("copy", history: 3)
        // What a server is given for a stream it checks in part only when it starts.
        try await rig.server.restart()
        try await rig.expectExact("copy", history: 3)
        try await rig.server.kill()
        try await rig.server.restart()
        try await rig.expectExact("copy", history: 3)
        try await rig.expectGoesOn("copy")
    }

    @Test("A bucket in memory comes back exactly where the server can, and else by replay", arguments: ServerBinary.all)
    func memory(binary: ServerBinary) async throws {
        var rig = try await ExactRig(binary)
        defer { rig.close() }
        try await rig.prepare(ExactRig.entries(3000))
        guard binary.isAtLeast("2.12") else {
            await #expect {
                try await rig.restore("copy", ["storage=memory"])
            } throws: { error in
                "\(error)".contains("restores into file storage only")
            }
            #expect(try await rig.streams() == ["KV_src"])
            let report = try await rig.restore("copy", mode: .auto, ["storage=memory"])
            #expect(report.mode == .replay)
            #expect(report.modeReason.contains("restores into file storage only"))
            return
        }
        let report = try await rig.restore("copy", mode: .auto, ["storage=memory", "history=2"])
        #expect(report.mode == .exact)
        #expect(report.comparison?.isEqual == true)
        try await rig.expectExact("copy", history: 2)
        try await rig.expectGoesOn("copy")
        #expect(try await rig.streams() == ["KV_copy", "KV_src"])
        let configuration = try await rig.server.withClient { try $0.streamInfo("KV_copy").configuration }
        #expect(configuration.contains(#""storage":"memory""#))
        #expect(!configuration.contains(#""mirror""#))
    }

    @Test("An empty bucket keeps its next revision", arguments: ServerBinary.all, ["file", "memory"])
    func empty(binary: ServerBinary, storage: String) async throws {
        guard storage == "file" || binary.isAtLeast("2.12") else { return }
        var rig = try await ExactRig(binary)
        defer { rig.close() }
        try await rig.server.withClient { client in
            try client.createBucket("src", history: 5)
            try client.fill("src", count: 60, keys: 10, size: 10, seed: 3)
            try client.api("STREAM.PURGE.KV_src")
        }
        try await rig.capture()
        #expect(rig.last == 60)
        let report = try await rig.restore("copy", ["storage=\(storage)"])
        #expect(report.written == 0)
        try await rig.expectExact("copy")
        let next = try await rig.server.withClient { try $0.put("copy", "k", "v") }
        #expect(next == 61)
    }

    @Test("A bucket under its own name keeps its life: captures of it go on", arguments: ServerBinary.all)
    func sameName(binary: ServerBinary) async throws {
        var rig = try await ExactRig(binary)
        defer { rig.close() }
        try await rig.prepare(ExactRig.entries(1000))
        let before = try await rig.server.withClient { try $0.streamInfo("KV_src") }
        let report = try await rig.restore("src", ["history=4"]) { $0.replaces = true }
        #expect(report.plan.action == .replace)
        let after = try await rig.server.withClient { try $0.streamInfo("KV_src") }
        #expect(Timestamp(rfc3339: after.created) == Timestamp(rfc3339: before.created))
        try await rig.expectExact("src", history: 4)
        try await rig.server.withClient { _ = try $0.put("src", "next", "value") }
        try await rig.capture()
        #expect(rig.last == before.lastSequence + 1)
    }

    @Test("A point in the past, filtered", arguments: ServerBinary.all)
    func past(binary: ServerBinary) async throws {
        var rig = try await ExactRig(binary)
        defer { rig.close() }
        try await rig.prepare(2000)
        let pattern = try KeyPattern("api.>")
        let point = rig.messages[rig.messages.count / 2].seq
        let report = try await rig.restore("past") { options in
            options.point = .revision(point)
            options.filter = [pattern]
            options.history = .full
        }
        #expect(report.comparison?.isEqual == true)
        let found = try await rig.read("past")
        #expect(!found.isEmpty)
        #expect(found.allSatisfy { $0.key(in: "past").starts(with: "api.".utf8) && $0.seq <= point })
        let next = try await rig.server.withClient { try $0.put("past", "k", "v") }
        #expect(next == point + 1)
    }
}
