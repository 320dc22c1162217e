import Foundation
import TestSupport
import Testing

@Suite("Looking after an archive", .serialized)
struct CareTests {
    /// An archive of many small segments and points.
    private static func fill(_ rig: Rig, rounds: Int) async throws {
        try await rig.createBucket("src", history: 8)
        for round in 0..<rounds {
            try await rig.fill("src", count: 600, keys: 400, size: 900, seed: UInt64(round))
            try await rig.backup("src")
        }
    }

    /// What the archive says of the bucket: its newest state, and how large it is.
    private static func newest(_ archive: String) async throws -> String {
        let result = try await CisternProcess.run(["keys", archive, "--long"])
        #expect(result.code == 0, "\(result)")
        return result.outputText
    }

    @Test(
        "A prune or a compaction killed anywhere loses nothing, and can be run again",
        arguments: ["prune", "compact"]
    )
    func kills(command: String) async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await Self.fill(rig, rounds: 14)
        let expected = try await Self.newest(rig.archive)
        let options = command == "prune" ? ["--keep-last", "2", "--yes", "--json"] : ["--json"]
        let copy = rig.folder.file("copy.cistern")
        try FileManager.default.copyItem(atPath: rig.archive, toPath: copy)
        let whole = try await KillMoments.measure { try await CisternProcess.run([command, copy] + options) }
        var moments = KillMoments(6, of: whole, seed: 55)
        var interrupted = 0
        while let round = moments.next(hits: interrupted) {
            for suffix in ["", "-wal", "-shm", ".lock"] {
                try? FileManager.default.removeItem(atPath: copy + suffix)
            }
            try FileManager.default.copyItem(atPath: rig.archive, toPath: copy)
            let process = try CisternProcess.start([command, copy] + options)
            if try await moments.kill(process).code == 137 { interrupted += 1 }
            let verified = try await rig.cistern(["verify", copy, "--against", "src"])
            #expect(verified.code == 0, "round \(round): \(verified)")
            #expect(try await Self.newest(copy) == expected)
            let again = try await CisternProcess.run([command, copy] + options)
            #expect(again.code == 0, "round \(round): \(again)")
            try await rig.cistern(["verify", copy, "--against", "src"])
            #expect(try await Self.newest(copy) == expected)
            let size = try FileManager.default.attributesOfItem(atPath: copy)[.size] as? Int ?? 0
            let before = try FileManager.default.attributesOfItem(atPath: rig.archive)[.size] as? Int ?? 0
            #expect(size < before, "\(before) bytes became \(size)")
        }
        #expect(interrupted > 0, "no kill came before the end: the test proves nothing")
    }

    @Test("A repair killed anywhere leaves nothing that passes for whole, and can be run again")
    func killedRepair() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await Self.fill(rig, rounds: 14)
        let expected = try await Self.newest(rig.archive)
        let target = rig.folder.file("saved.cistern")
        let arguments = ["repair", rig.archive, "--to", target]
        let whole = try await KillMoments.measure { try await run(arguments) }
        var moments = KillMoments(6, of: whole, seed: 56)
        var interrupted = 0
        while let round = moments.next(hits: interrupted) {
            try FileManager.default.removeItem(atPath: target)
            let process = try CisternProcess.start(arguments)
            let killed = try await moments.kill(process)
            if FileManager.default.fileExists(atPath: target) {
                #expect(try await Self.newest(target) == expected, "round \(round): half a repair passes for a whole")
            } else {
                #expect(killed.code == 137, "round \(round): \(killed)")
                interrupted += 1
                try await run(arguments)
            }
            try await rig.cistern(["verify", target, "--against", "src"])
            #expect(try await Self.newest(target) == expected, "round \(round)")
            let files = try FileManager.default.contentsOfDirectory(atPath: rig.folder.path)
            let left = files.filter { $0.contains(".part") && !$0.hasSuffix(".lock") }
            #expect(killed.code == 137 || left.isEmpty, "round \(round): \(left)")
        }
        #expect(interrupted > 0, "no kill came before the end: the test proves nothing")
    }

    @Test("Tags, a prune, a repair and the audit trail, as a user sees them")
    func commands() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await Self.fill(rig, rounds: 4)
        let archive = rig.archive
        try await run(["tag", archive, "first", "--at-revision", "600", "--note", "a note"])
        let tags = try await run(["tag", archive])
        #expect(tags.outputText.contains("first") && tags.outputText.contains("a note"))
        let dry = try Report(
            try await run(["prune", archive, "--keep-last", "1", "--keep-tags", "--dry-run", "--json"])
        )
        #expect(try dry.text("archive") == archive)
        let refused = try await CisternProcess.run(["prune", archive, "--keep-last", "1"])
        #expect(refused.code == 64 && refused.errorText.contains("--yes"))
        #expect(try await CisternProcess.run(["prune", archive]).code == 64)
        let kept = try await run(["keys", archive, "--at-tag", "first", "--long"]).outputText
        let pruned = try await run(["prune", archive, "--keep-last", "1", "--keep-tags", "--yes"])
        #expect(pruned.outputText.contains("goes") && pruned.outputText.contains("now"))
        #expect(try await run(["keys", archive, "--at-tag", "first", "--long"]).outputText == kept)
        let gone = try await CisternProcess.run(["keys", archive, "--at-revision", "1200"])
        #expect(gone.code == 1 && gone.errorText.contains("a prune dropped revision 1200"))
        try await rig.cistern(["verify", archive, "--against", "src"])
        try await run(["compact", archive])
        // The next backup goes on as if nothing had been.
        try await rig.fill("src", count: 50, keys: 50, size: 10, seed: 9)
        try await rig.backup("src")
        try await rig.cistern(["verify", archive, "--against", "src"])
        let saved = rig.folder.file("saved.cistern")
        try await run(["repair", archive, "--to", saved])
        try await rig.cistern(["verify", saved, "--against", "src"])
        #expect(try await CisternProcess.run(["repair", archive, "--to", saved]).code == 73)
        try await run(["tag", archive, "first", "--delete"])
        try await Self.checkPoints(archive)
        let runs = try await run(["show", archive, "--runs"]).outputText
        for kind in ["backup", "tag", "prune", "compact"] { #expect(runs.contains(kind)) }
    }

    /// What `show` says of the points of an archive of one bucket from which a prune dropped some.
    private static func checkPoints(_ archive: String) async throws {
        struct Shown: Decodable {
            struct Bucket: Decodable {
                var exactFrom: UInt64
                var points: [Point]
            }
            struct Point: Decodable {
                var revision: UInt64
                var heldEntries: Int?
            }
            var buckets: [Bucket]
        }
        let json = try await CisternProcess.run(["show", archive, "--json"])
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let bucket = try #require(try decoder.decode(Shown.self, from: Data(json.outputText.utf8)).buckets.first)
        #expect(bucket.exactFrom == 2400)
        #expect(bucket.points.map(\.revision) == [600, 2400, 2450])
        #expect(bucket.points.map { $0.heldEntries != nil } == [true, true, false])
        let text = try await CisternProcess.run(["show", archive]).outputText
        #expect(text.contains("every revision from 2400 on, before it only points"))
    }

    @Test("A lock that is held is never broken; a lock file that was left behind goes")
    func unlock() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await Self.fill(rig, rounds: 1)
        let nothing = try await run(["unlock", rig.archive])
        #expect(nothing.outputText.contains("nobody writes it"))
        let follower = try CisternProcess.start([
            "backup", "src", "--archive", rig.archive, "--follow", "-s", rig.server.url,
        ])
        let lock = rig.archive + ".lock"
        try await eventually("the lock is held") { FileManager.default.fileExists(atPath: lock) }
        let held = try await CisternProcess.run(["unlock", rig.archive])
        #expect(held.code == 75 && held.errorText.contains("process \(follower.pid)"))
        #expect(FileManager.default.fileExists(atPath: lock))
        follower.kill()
        _ = try await follower.waitForExit()
        let cleared = try await run(["unlock", rig.archive])
        #expect(cleared.outputText.contains("process \(follower.pid)"))
        #expect(!FileManager.default.fileExists(atPath: lock))
    }

    @discardableResult
    private func run(
        _ arguments: [String],
        _ location: SourceLocation = #_sourceLocation
    ) async throws
        -> CisternProcess.Result
    {
        let result = try await CisternProcess.run(arguments)
        #expect(result.code == 0, "\(arguments.joined(separator: " ")): \(result)", sourceLocation: location)
        return result
    }
}
