import Foundation
import TestSupport
import Testing

@Suite("Out of an archive, into another, and what differs", .serialized)
struct InterchangeTests {
    @Test("An import killed anywhere claims nothing, and goes on when it is run again", arguments: ["jsonl", "folder"])
    func killedImport(source: String) async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("src", history: 8)
        try await rig.fill("src", count: 60_000, keys: 9000, size: 700)
        try await rig.backup("src")
        let input = rig.folder.file(source)
        let format = source == "folder" ? ["--format", "nats-backup"] : []
        _ = try await run(["export", rig.archive, "-o", input] + format)
        // What an import is that nobody disturbs, and how long it takes.
        let undisturbed = rig.folder.file("whole.cistern")
        let whole = try await KillMoments.measure { try await run(["import", input, "--archive", undisturbed]) }
        let expected = rig.folder.file("whole.jsonl")
        try await export(undisturbed, to: expected)
        var moments = KillMoments(6, of: whole, seed: 31)
        var resumed = 0
        while let round = moments.next(hits: resumed) {
            let copy = rig.folder.file("copy-\(round).cistern")
            let process = try CisternProcess.start(["import", input, "--archive", copy])
            let killed = try await moments.kill(process)
            if killed.code == 137, FileManager.default.fileExists(atPath: copy) {
                try await expectUnclaimed(copy, "round \(round)")
            }
            let report = try Report(try await run(["import", input, "--archive", copy, "--json"]))
            #expect(try report.number("added") + report.number("present") == 60_000)
            if try killed.code == 137 && report.number("present") > 0 { resumed += 1 }
            _ = try await run(["verify", copy])
            let again = rig.folder.file("again-\(round).jsonl")
            try await export(copy, to: again)
            #expect(FileManager.default.contentsEqual(atPath: expected, andPath: again), "round \(round)")
            for file in [copy, again] { try FileManager.default.removeItem(atPath: file) }
        }
        #expect(resumed > 0, "no kill came between two checkpoints: the test proves nothing")
    }

    /// What was killed may have come to its end just before; if not, it must not pass for whole.
    private func expectUnclaimed(_ archive: String, _ what: String) async throws {
        let keys = try await CisternProcess.run(["keys", archive, "--json"])
        guard keys.code == 0 else { return }
        let verified = try Report(try await CisternProcess.run(["verify", archive, "--json"]))
        #expect(try verified.number("entries") == 60_000, "\(what): half an import passes for a whole one")
    }

    /// Exports without the moments at which this machine imported.
    private func export(_ archive: String, to path: String) async throws {
        _ = try await run(["export", archive, "-o", path])
        var lines = try Data(contentsOf: URL(fileURLWithPath: path))
        let quote = Data("\"".utf8)
        // It stands in the incarnation's line, the second one.
        guard let start = lines.range(of: Data(#""updated":""#.utf8), in: 0..<min(4096, lines.count))?.upperBound,
            let end = lines.range(of: quote, in: start..<lines.count)?.lowerBound
        else {
            Issue.record("\(path) does not say when it was updated")
            return
        }
        lines.removeSubrange(start..<end)
        try lines.write(to: URL(fileURLWithPath: path))
    }

    @Test("What was added, changed and removed since a backup, between points and against the bucket")
    func differences() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("src", history: 5)
        for (key, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
            try await rig.cistern(["kv", "put", "src", key, value])
        }
        let first = try await rig.backup("src").number("consistent_revision")
        try await rig.cistern(["diff", rig.archive, "src"])
        try await rig.cistern(["kv", "put", "src", "b", "new"])
        try await rig.cistern(["kv", "put", "src", "a", "1"])
        try await rig.cistern(["kv", "del", "src", "c", "--force"])
        try await rig.cistern(["kv", "put", "src", "d", "4"])
        let expected = ["changed b 2 new", "removed c 3 -", "added d - 4"]
        let live = try await rig.cistern(["diff", rig.archive, "src", "--values", "--json"], code: 3)
        #expect(try Self.summary(live) == expected)
        try await rig.backup("src")
        let points = try await run(["diff", "\(rig.archive)@\(first)", "--values", "--json"], code: 3)
        #expect(try Self.summary(points) == expected)
        let table = try await run(["diff", "\(rig.archive)@\(first)"], code: 3)
        #expect(table.outputText.contains("1 added, 1 changed, 1 removed, 1 key equal (1 under another revision)"))
        try await rig.cistern(["diff", rig.archive, "src"])
    }

    @Test("A backup folder goes out and comes in again")
    func folder() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("src", history: 3)
        try await rig.fill("src", count: 500, keys: 90, size: 100)
        try await rig.backup("src")
        let folder = rig.folder.file("folder")
        _ = try await run(["export", rig.archive, "--format", "nats-backup", "-o", folder])
        let copy = rig.folder.file("copy.cistern")
        _ = try await run(["import", folder, "--archive", copy, "--cluster", "east"])
        _ = try await run(["diff", rig.archive, copy])
        #expect(try await run(["export", rig.archive, "-o", folder], code: 73).errorText.contains("exists"))
    }

    private func run(
        _ arguments: [String],
        code: Int32 = 0,
        _ location: SourceLocation = #_sourceLocation
    ) async throws -> CisternProcess.Result {
        let result = try await CisternProcess.run(arguments)
        #expect(result.code == code, "\(arguments): \(result)", sourceLocation: location)
        return result
    }

    private static func summary(_ result: CisternProcess.Result) throws -> [String] {
        try result.outputText.split(separator: "\n").map { line in
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
            let fields = try #require(object as? [String: Any])
            let values = ["old", "new"].map { side in
                (fields[side] as? [String: Any])?["value"] as? String ?? "-"
            }
            return "\(fields["change"] ?? "") \(fields["key"] ?? "") \(values.joined(separator: " "))"
        }
    }
}
