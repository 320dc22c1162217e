import Foundation
import TestSupport
import Testing

@Suite("Killed at random moments", .serialized)
struct KillTests {
    @Test("A capture killed anywhere goes on from its checkpoint, nothing twice, nothing missing")
    func capture() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("src", history: 8)
        try await rig.fill("src", count: 60_000, keys: 9000, size: 700)
        // How long an undisturbed run takes says when to kill.
        let whole = try await KillMoments.measure {
            try await rig.cistern(["backup", "src", "--archive", rig.folder.file("whole.cistern"), "--json"])
        }
        var moments = KillMoments(12, of: whole, seed: 99)
        var resumed = 0
        while let round = moments.next(hits: resumed) {
            let archive = rig.folder.file("round-\(round).cistern")
            let arguments = ["backup", "src", "--archive", archive, "--json", "-s", rig.server.url]
            let process = try CisternProcess.start(arguments)
            _ = try await moments.kill(process)
            let report = try Report(try await CisternProcess.run(arguments))
            if try report.number("from_revision") > 0 { resumed += 1 }
            #expect(try report.number("consistent_revision") == 60_000)
            let verified = try await rig.cistern(["verify", archive, "--against", "src"])
            #expect(verified.code == 0, "round \(round): \(verified)")
            if round % 6 == 0 {
                try await rig.cistern(["restore", archive, "--as", "copy-\(round)"])
                try await rig.expectEqual("src", "copy-\(round)", history: 8)
                try await rig.cistern(["kv", "rm", "copy-\(round)", "--force"])
            }
            try FileManager.default.removeItem(atPath: archive)
        }
        #expect(resumed > 0, "no kill came between two checkpoints: the test proves nothing")
    }

    @Test(
        "A replay killed anywhere goes on where it was, without duplicates or holes",
        arguments: ServerBinary.all.filter { isLongRun || $0.version == "2.15.1" }
    )
    func restore(binary: ServerBinary) async throws {
        let rig = try await Rig(binary)
        defer { rig.close() }
        try await rig.createBucket("src")
        var generator = BucketGenerator(entries: 20_000, seed: 5)
        generator.largeValues = 2
        let fixed = generator
        _ = try await rig.server.withClient { try fixed.write(to: "src", with: $0) }
        try await rig.backup("src")
        let whole = try await KillMoments.measure { try await rig.restore(as: "whole", ["--mode", "replay"]) }
        var moments = KillMoments(12, of: whole, seed: 77)
        var resumed = 0
        let arguments = ["restore", rig.archive, "--as", "copy", "--mode", "replay", "--json", "-s", rig.server.url]
        while let round = moments.next(hits: resumed) {
            let again = try await killAndRunAgain(arguments, rig, &moments, round, mode: .replayed)
            if let again, try again.number("resumed") > 0 { resumed += 1 }
        }
        #expect(resumed > 0, "no kill came in the middle of writing: the test proves nothing")
    }

    @Test(
        "An exact restore killed anywhere leaves nothing that looks finished, and the next makes it whole",
        arguments: [("2.15.1", "file"), ("2.15.1", "memory"), ("2.14.6", "memory"), ("2.10.26", "file")]
    )
    func exactRestore(version: String, storage: String) async throws {
        let rig = try await Rig(try ServerBinary.named(version))
        defer { rig.close() }
        try await rig.createBucket("src")
        var generator = BucketGenerator(entries: 20_000, seed: 6)
        generator.largeValues = 2
        let fixed = generator
        _ = try await rig.server.withClient { try fixed.write(to: "src", with: $0) }
        try await rig.backup("src")
        let more = ["--set", "storage=\(storage)"]
        let whole = try await KillMoments.measure { try await rig.restore(as: "whole", more) }
        var moments = KillMoments(8, of: whole, seed: 78)
        var restarted = 0
        let arguments = ["restore", rig.archive, "--as", "copy", "--json", "-s", rig.server.url] + more
        while let round = moments.next(hits: restarted) {
            let again = try await killAndRunAgain(arguments, rig, &moments, round, mode: .exact)
            if let again, try again.text("action") == "restart" { restarted += 1 }
        }
        #expect(restarted > 0, "no kill came after something had been made: the test proves nothing")
    }

    /// Kills a restore into `copy`, runs it again, and removes the bucket, which must be whole then.
    ///
    /// Answers what the second run reported, if there was anything left for it to do.
    private func killAndRunAgain(
        _ arguments: [String],
        _ rig: Rig,
        _ moments: inout KillMoments,
        _ round: Int,
        mode: BucketComparison.Mode
    ) async throws -> Report? {
        let killed = try await moments.kill(try CisternProcess.start(arguments))
        var isWhole = killed.code != 137
        if !isWhole, try await rig.exists("copy") {
            let found = try await rig.verifyAgainst("copy")
            // Killed between its last step and its end, it has left a whole one.
            isWhole = found.code == 0
            #expect(isWhole || found.code == 3, "round \(round): \(found)")
            if isWhole { try await rig.expectEqual("src", "copy", mode: mode) }
        }
        let again = try await CisternProcess.run(arguments)
        #expect(again.code == (isWhole ? 73 : 0), "round \(round): \(again)")
        try await rig.expectEqual("src", "copy", mode: mode)
        try await rig.cistern(["kv", "rm", "copy", "--force"])
        return !isWhole && again.code == 0 ? try Report(again) : nil
    }
}

extension Rig {
    func exists(_ bucket: String) async throws -> Bool {
        try await server.withClient { client in
            do {
                _ = try client.streamInfo("KV_" + bucket)
                return true
            } catch RawNATSError.api {
                return false
            }
        }
    }

    /// `verify --against`, whatever its exit code.
    func verifyAgainst(_ bucket: String) async throws -> CisternProcess.Result {
        try await CisternProcess.run(["verify", archive, "--against", bucket, "-s", server.url])
    }
}
