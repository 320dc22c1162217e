import Foundation
import TestSupport
import Testing

/// Damaged archives as the commands meet them: none may crash or hang, and what none of them says is wrong is right.
@Suite("Damaged archives", .serialized)
struct DamagedArchiveTests {
    /// A command, and whether what it prints must be what it prints of the sound archive whenever it succeeds.
    private struct Command {
        var arguments: [String]
        var isChecked = true
    }

    /// The files of one damage, and what the commands said before it.
    private struct Bench {
        let rig: Rig
        let file: String
        let keys: [String]
        var said: [[String]: CisternProcess.Result] = [:]

        var saved: String { rig.folder.file("saved.cistern") }

        var reading: [Command] {
            let point = file + "@600"
            return [
                Command(arguments: ["keys", file, "--long"]), Command(arguments: ["get", file, "key.5"]),
                Command(arguments: ["history", file, "key.5"]),
                Command(arguments: ["diff", point, file]),
                Command(arguments: ["keys", file, "--at-tag", "first", "--long"]),
                Command(arguments: ["export", file]),
                Command(arguments: ["restore", file, "--as", "copy", "--dry-run", "-s", rig.server.url]),
                Command(arguments: ["prune", file, "--keep-last", "1", "--dry-run"]),
                Command(arguments: ["list", file]),
                // These list rows, nothing is reckoned from them: a run or a configuration that a broken page hides is
                // missing there, so that what a repair could not save whole can still be shown; `verify` reports it.
                Command(arguments: ["show", file, "--runs"], isChecked: false),
            ]
        }

        func run(_ arguments: [String], _ what: String) async throws -> CisternProcess.Result {
            let withKey = ["list", "show", "repair"].contains(arguments[0]) ? arguments : arguments + keys
            let result = try await CisternProcess.run(withKey, timeout: .seconds(60))
            #expect(
                [0, 1, 3, 64, 73].contains(result.code),
                "\(what): cistern \(arguments.joined(separator: " ")): \(result)"
            )
            return result
        }

        /// Puts bytes where the archive was.
        func place(_ bytes: Data) throws {
            for path in [file, saved] {
                for suffix in ["", "-wal", "-shm", ".lock"] where FileManager.default.fileExists(atPath: path + suffix)
                {
                    try FileManager.default.removeItem(atPath: path + suffix)
                }
            }
            try bytes.write(to: URL(fileURLWithPath: file))
        }
    }

    @Test("No command crashes, hangs or gives a wrong answer of a damaged archive", arguments: [false, true])
    func commands(isEncrypted: Bool) async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let key = rig.folder.file("a.key")
        try await rig.keygen(key)
        var bench = Bench(rig: rig, file: rig.archive, keys: isEncrypted ? ["--key-file", key] : [])
        try await fill(bench)
        let whole = try Data(contentsOf: URL(fileURLWithPath: rig.archive))
        for command in bench.reading {
            let result = try await bench.run(command.arguments, "sound")
            #expect(result.code == 0 || command.arguments[0] == "diff" && result.code == 3, "\(result)")
            bench.said[command.arguments] = result
        }
        var random = SeededGenerator(seed: isEncrypted ? 8 : 9)
        var refused = 0
        for round in 0..<(isLongRun ? 200 : 6) {
            var bytes = whole
            let what: String
            if round % 6 == 5 {
                let length = Int.random(in: 0..<whole.count, using: &random)
                bytes = whole.prefix(length)
                what = "\(length) of \(whole.count) bytes left"
            } else {
                // Half of the changes hit a page's head, where they do most.
                let page = Int.random(in: 0..<whole.count / 4096, using: &random)
                let index = page * 4096 + Int.random(in: 0..<(round % 2 == 0 ? 4096 : 40), using: &random)
                bytes[index] ^= 1 << UInt8.random(in: 0...7, using: &random)
                what = "byte \(index) changed"
            }
            if try await !examine(bench, bytes, what) { refused += 1 }
        }
        #expect(refused > 0)
    }

    /// Gives the archive two backups, a tag, a prune and a third one.
    private func fill(_ bench: Bench) async throws {
        try await bench.rig.createBucket("src", history: 4)
        for round in 0..<4 {
            try await bench.rig.fill("src", count: 300, keys: 120, size: 200, seed: UInt64(round))
            try await bench.rig.cistern(["backup", "src", "--archive", bench.file] + bench.keys)
            if round == 1 { _ = try await bench.run(["tag", bench.file, "first"], "tag") }
            guard round == 2 else { continue }
            let options = ["--keep-last", "1", "--keep-tags", "--yes"]
            let pruned = try await bench.run(["prune", bench.file] + options, "prune")
            #expect(pruned.code == 0, "\(pruned)")
        }
    }

    /// Runs every command on the damaged archive; false if verification finds it wanting.
    private func examine(_ bench: Bench, _ bytes: Data, _ what: String) async throws -> Bool {
        try bench.place(bytes)
        let isSound = try await bench.run(["verify", bench.file], what).code == 0
        for command in bench.reading {
            let expected = try #require(bench.said[command.arguments])
            let result = try await bench.run(command.arguments, what)
            let name = command.arguments[0]
            if isSound {
                #expect(result.code == expected.code, "\(what): verification found nothing: \(name): \(result)")
            }
            guard result.code == expected.code, command.isChecked || isSound else { continue }
            let isSame = result.output == expected.output
            #expect(isSame, "\(what): another answer of \(name): \(Self.difference(expected, result))")
        }
        let repaired = try await bench.run(["repair", bench.file, "--to", bench.saved], what)
        if repaired.code == 0, isSound {
            let keys = try await CisternProcess.run(["keys", bench.saved, "--long"] + bench.keys)
            #expect(keys.output == bench.said[["keys", bench.file, "--long"]]?.output, "\(what): \(keys)")
        }
        // Last, because it writes.
        let compacted = try await bench.run(["compact", bench.file], what)
        if isSound {
            #expect(compacted.code == 0, "\(what): \(compacted)")
            let verified = try await bench.run(["verify", bench.file], what)
            #expect(verified.code == 0, "\(what), compacted: \(verified)")
        }
        return isSound
    }

    /// The first lines that differ.
    private static func difference(_ expected: CisternProcess.Result, _ result: CisternProcess.Result) -> String {
        let lines = result.outputText.split(separator: "\n", omittingEmptySubsequences: false)
        let right = expected.outputText.split(separator: "\n", omittingEmptySubsequences: false)
        guard let place = zip(lines, right).enumerated().first(where: { $0.element.0 != $0.element.1 })?.offset else {
            return "\(lines.count) lines instead of \(right.count)"
        }
        return "\(lines[place]) instead of \(right[place])"
    }
}
