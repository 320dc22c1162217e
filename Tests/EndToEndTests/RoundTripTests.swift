import Foundation
import TestSupport
import Testing

@Suite("Backup and restore on real servers", .serialized)
struct RoundTripTests {
    @Test("Every entry of a nasty bucket comes back", arguments: ServerBinary.all)
    func nastyBucket(binary: ServerBinary) async throws {
        let rig = try await Rig(binary)
        defer { rig.close() }
        try await rig.createBucket("src")
        var generator = BucketGenerator(entries: try binary == .newest || isLongRun ? 20_000 : 4000, seed: 1)
        // As large as a server takes: such an entry leaves a replay no room for headers of its own.
        generator.largeValueSize = 1 << 20
        let fixed = generator
        let last = try await rig.server.withClient { try fixed.write(to: "src", with: $0) }
        let report = try await rig.backup("src")
        #expect(try report.number("consistent_revision") == last)
        try await rig.cistern(["verify", rig.archive])
        try await rig.cistern(["verify", rig.archive, "--against", "src"])
        let replayed = try await rig.restore(as: "copy", ["--mode", "replay"])
        #expect(try replayed.text("mode") == "replay")
        try await rig.expectEqual("src", "copy")
        try await rig.cistern(["verify", rig.archive, "--against", "copy"])
        let exact = try await rig.restore(as: "exact")
        #expect(try exact.text("mode") == "exact")
        #expect(try exact.text("mode_reason").contains(binary.version))
        try await rig.expectEqual("src", "exact", mode: .exact)
        try await rig.cistern(["verify", rig.archive, "--against", "exact"])
    }

    @Test("Keys that clients forbid and servers take come back", arguments: ServerBinary.all)
    func oddKeys(binary: ServerBinary) async throws {
        let rig = try await Rig(binary)
        defer { rig.close() }
        try await rig.createBucket("src")
        var generator = BucketGenerator(entries: 1000, seed: 2)
        generator.hasOddKeys = true
        generator.largeValues = 0
        let fixed = generator
        _ = try await rig.server.withClient { try fixed.write(to: "src", with: $0) }
        try await rig.backup("src")
        try await rig.restore(as: "copy")
        try await rig.expectEqual("src", "copy")
    }

    @Test("A bucket comes back with other settings", arguments: ServerBinary.all)
    func otherSettings(binary: ServerBinary) async throws {
        let rig = try await Rig(binary)
        defer { rig.close() }
        try await rig.createBucket("src", history: 10)
        var generator = BucketGenerator(entries: 2000, seed: 3)
        generator.largeValues = 0
        let fixed = generator
        _ = try await rig.server.withClient { try fixed.write(to: "src", with: $0) }
        try await rig.backup("src")
        try await rig.restore(
            as: "copy",
            ["--set", "history=3", "--set", "storage=memory", "--set", "ttl=30d", "--set", "description=moved"]
        )
        try await rig.expectEqual("src", "copy", history: 3)
        let configuration = try await rig.server.withClient { try $0.streamInfo("KV_copy").configuration }
        #expect(configuration.contains(#""storage":"memory""#))
        #expect(configuration.contains(#""max_age":2592000000000000"#))
        #expect(configuration.contains(#""description":"moved""#))
        #expect(!configuration.contains("restore"))
    }

    @Test("An increment reads what changed, not the bucket")
    func increment() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("src", history: 3)
        try await rig.fill("src", count: 30_000, keys: 10_000, size: 100)
        let first = try await rig.backup("src")
        #expect(try first.number("entries_read") == 30_000)
        try await rig.fill("src", count: 1000, keys: 1000, size: 100)
        let second = try await rig.backup("src")
        #expect(try second.number("entries_read") == 1000)
        #expect(try second.number("consistent_revision") == 31_000)
        let third = try await rig.backup("src")
        #expect(try third.number("entries_read") == 0)
        try await rig.restore(as: "copy")
        try await rig.expectEqual("src", "copy", history: 3)
    }

    @Test("An earlier revision is restored as the bucket was then")
    func earlierRevision() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("src")
        var generator = BucketGenerator(entries: 1500, seed: 4)
        generator.largeValues = 0
        let fixed = generator
        let then = try await rig.server.withClient { try fixed.write(to: "src", with: $0) }
        try await rig.backup("src")
        let before = try await rig.messages("src")
        try await rig.fill("src", count: 500, keys: 50, size: 10)
        try await rig.backup("src")
        try await rig.restore(as: "then", ["--at-revision", String(then)])
        let after = try await rig.messages("then")
        #expect(BucketComparison.differences(before, in: "src", after, in: "then", mode: .replayed).isEmpty)
    }

    @Test("A bucket that was deleted and created again begins a new incarnation beside the old one")
    func recreated() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("src")
        try await rig.fill("src", count: 100, keys: 100, size: 10)
        _ = try await rig.server.withClient { try $0.put("src", "same", "first life") }
        try await rig.backup("src")
        try await rig.server.withClient { try $0.deleteStream("KV_src") }
        try await rig.createBucket("src")
        try await rig.fill("src", count: 10, keys: 10, size: 10)
        _ = try await rig.server.withClient { try $0.put("src", "same", "second life") }
        let report = try await rig.backup("src")
        #expect(try report.number("entries_read") == 11)
        let listed = try await CisternProcess.run(["show", rig.archive, "--json"])
        #expect(listed.code == 0, "\(listed)")
        #expect(listed.outputText.components(separatedBy: "\"created\"").count >= 3, "\(listed)")
        let history = try await CisternProcess.run(["history", rig.archive, "same"])
        let lives = ["first life", "second life"].compactMap { history.outputText.firstRange(of: $0)?.lowerBound }
        #expect(lives.count == 2 && lives == lives.sorted(), "\(history)")
        try await rig.restore(as: "copy")
        try await rig.expectEqual("src", "copy")
    }

    @Test("A bucket whose last revision went backwards is an alarm, and the archive keeps what it has")
    func regressed() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("src")
        try await rig.fill("src", count: 50, keys: 50, size: 10)
        let store = rig.server.directory.file("store-copy")
        // The server loses acknowledged writes: its store is put back to an earlier state while it is down.
        try await rig.server.stop()
        try rig.copyStore(to: store)
        try await rig.server.restart()
        try await rig.fill("src", count: 50, keys: 50, size: 10)
        try await rig.backup("src")
        try await rig.server.stop()
        try rig.copyStore(from: store)
        try await rig.server.restart()
        let result = try await rig.cistern(["backup", "src", "--archive", rig.archive], code: 1)
        #expect(result.errorText.contains("100") && result.errorText.contains("lost"), "\(result)")
        try await rig.fill("src", count: 60, keys: 50, size: 10)
        let diverged = try await rig.cistern(["backup", "src", "--archive", rig.archive], code: 1)
        #expect(diverged.errorText.contains("another entry"), "\(diverged)")
        try await rig.restore(as: "kept", ["--at-revision", "100"])
        #expect(try await rig.messages("kept").count == 100)
    }
}
