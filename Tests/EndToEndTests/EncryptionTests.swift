import Foundation
import TestSupport
import Testing

@Suite("Encrypted archives", .serialized)
struct EncryptionTests {
    @Test("A key comes from options or variables; whoever lacks it is told so, with exit code 64")
    func keys() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("src", history: 8)
        try await rig.fill("src", count: 300, keys: 50, size: 200)
        let key = rig.folder.file("a.key")
        try await rig.keygen(key)
        try await rig.cistern(["backup", "src", "--archive", rig.archive, "--encrypt", "--key-file", key, "--verify"])
        try await rig.cistern(["verify", rig.archive, "--against", "src", "--key-file", key])
        try await rig.cistern(["restore", rig.archive, "--as", "copy", "--key-file", key])
        try await rig.expectEqual("src", "copy", history: 8)

        for arguments in [["keys", rig.archive], ["backup", "src", "--archive", rig.archive, "-s", rig.server.url]] {
            let without = try await CisternProcess.run(arguments)
            #expect(without.code == 64, "\(without)")
            #expect(without.errorText.contains("hint: give the key file"), "\(without)")
            let with = try await CisternProcess.run(arguments, environment: ["CISTERN_KEY_FILE": key])
            #expect(with.code == 0, "\(with)")
        }
        // What needs no key.
        for command in ["list", "show", "verify"] {
            let result = try await CisternProcess.run([command, rig.archive])
            #expect(result.code == 0, "\(result)")
        }

        // From a key file to a passphrase, and back.
        let passphrase = rig.folder.file("passphrase")
        try Data("correct horse\n".utf8).write(to: URL(fileURLWithPath: passphrase))
        try await rig.offline(["rekey", rig.archive, "--key-file", key, "--new-passphrase-file", passphrase])
        try await rig.offline(["keys", rig.archive, "--key-file", key], code: 64)
        try await rig.offline(["keys", rig.archive, "--passphrase-file", passphrase])
        let asked = try await CisternProcess.run(
            ["keys", rig.archive],
            environment: ["CISTERN_PASSPHRASE": "correct horse"]
        )
        #expect(asked.code == 0, "\(asked)")
        let wrong = try await CisternProcess.run(["keys", rig.archive], environment: ["CISTERN_PASSPHRASE": "correct"])
        #expect(wrong.code == 64, "\(wrong)")
        let both = ["CISTERN_PASSPHRASE": "correct horse", "CISTERN_KEY_FILE": key]
        let doubtful = try await CisternProcess.run(["keys", rig.archive], environment: both)
        #expect(doubtful.code == 64, "\(doubtful)")
        try await rig.offline(["rekey", rig.archive, "--passphrase-file", passphrase, "--new-key-file", key])
        try await rig.offline(["verify", rig.archive, "--key-file", key])
    }

    @Test("A change of keys killed anywhere loses nothing and goes on", arguments: [false, true])
    func kills(wasPlain: Bool) async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.createBucket("src", history: 8)
        try await rig.fill("src", count: 40_000, keys: 9000, size: 1400)
        let (old, new) = (rig.folder.file("old.key"), rig.folder.file("new.key"))
        try await rig.keygen(old)
        try await rig.keygen(new)
        try await rig.cistern(["backup", "src", "--archive", rig.archive] + (wasPlain ? [] : ["--key-file", old]))
        // Pieces of the first values, which compression finds nothing like before them; some lie across two pages.
        let pieces = try await rig.server.withClient { client in
            try (1...100).compactMap { try client.getMessage("KV_src", seq: $0)?.data[100..<140] }
        }
        #expect(pieces.count == 100)
        func rekey(_ archive: String) -> [String] {
            wasPlain
                ? ["rekey", archive, "--encrypt", "--key-file", new]
                : ["rekey", archive, "--key-file", old, "--new-key-file", new, "--data-key"]
        }
        let copy = rig.folder.file("copy.cistern")
        func reset() throws {
            // A log that is left beside it would be taken for the copy's own.
            for ending in ["", "-wal", "-shm"] where FileManager.default.fileExists(atPath: copy + ending) {
                try FileManager.default.removeItem(atPath: copy + ending)
            }
            try FileManager.default.copyItem(atPath: rig.archive, toPath: copy)
        }
        try reset()
        let isReadable = try Self.contains(pieces, copy)
        #expect(isReadable == wasPlain)
        let whole = try await KillMoments.measure { try await rig.offline(rekey(copy)) }
        var moments = KillMoments(6, of: whole, seed: 41)
        var unfinished = 0
        while let round = moments.next(hits: unfinished) {
            try reset()
            let process = try CisternProcess.start(rekey(copy))
            _ = try await moments.kill(process)
            // One of the two keys opens it, and then everything is there.
            let first = try await CisternProcess.run(["verify", copy, "--key-file", new, "--json"])
            let state = first.code == 64 ? try await rig.offline(["verify", copy, "--key-file", old, "--json"]) : first
            #expect(state.code == 0, "round \(round): \(state)")
            #expect(try Report(state).number("entries") == 40_000)
            let shown = try await CisternProcess.run(["show", copy])
            if shown.outputText.contains("not all of it yet") { unfinished += 1 }
            try await rig.offline(rekey(copy))
            try await rig.cistern(["verify", copy, "--against", "src", "--key-file", new])
            try await rig.offline(["keys", copy, "--key-file", old], code: 64)
            let isLeft = try Self.contains(pieces, copy)
            #expect(!isLeft, "round \(round)")
        }
        #expect(unfinished > 0, "no kill came in the middle of it: the test proves nothing")
    }

    private static func contains(_ pieces: [ArraySlice<UInt8>], _ path: String) throws -> Bool {
        let file = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
        return pieces.contains { file.range(of: Data($0)) != nil }
    }
}

extension Rig {
    func keygen(_ path: String) async throws {
        try await offline(["keygen", path, "-q"])
    }

    /// Runs a command that asks no server.
    @discardableResult
    func offline(
        _ arguments: [String],
        code: Int32 = 0,
        _ location: SourceLocation = #_sourceLocation
    ) async throws -> CisternProcess.Result {
        let result = try await CisternProcess.run(arguments)
        #expect(result.code == code, "cistern \(arguments.joined(separator: " ")): \(result)", sourceLocation: location)
        return result
    }
}
