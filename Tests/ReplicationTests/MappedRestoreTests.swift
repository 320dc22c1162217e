import Archive
import JetStream
import KVModel
import KeyValue
import Replication
import TestSupport
import Testing

/// Restores that give keys other names, against real servers.
@Suite("Restores with renamed keys", .serialized)
struct MappedRestoreTests {
    private static let rules = ["eu.user.*.>=people.$1.>", "eu.>=europe.>"]

    /// What a key is called after the restore, by a model that shares nothing with the mapping.
    private static func renamed(_ key: String) -> String {
        let tokens = key.split(separator: ".").map { String($0) }
        if tokens.count > 3, tokens[0] == "eu", tokens[1] == "user" {
            return (["people", tokens[2]] + tokens[3...]).joined(separator: ".")
        }
        return tokens.count > 1 && tokens[0] == "eu" ? (["europe"] + tokens[1...]).joined(separator: ".") : key
    }

    private static func puts(_ count: Int, seed: UInt64) -> [RawPut] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { _ in
            let number = Int.random(in: 0..<40, using: &random)
            let keys = [
                "eu.user.\(number).name", "eu.user.\(number).address.city", "eu.order.\(number)",
                "us.user.\(number).name", "eu",
            ]
            let key = Array(keys[Int.random(in: 0..<keys.count, using: &random)].utf8)
            switch Int.random(in: 0..<16, using: &random) {
            case 0: return .delete(key)
            case 1: return .purge(key)
            case 2: return RawPut(key: key, headers: [RawHeader("X-Of", "test")], value: random.bytes(40))
            default: return RawPut(key: key, value: random.bytes(Int.random(in: 0..<200, using: &random)))
            }
        }
    }

    private static func options(_ rules: [String]) throws -> RestoreOptions {
        var options = RestoreOptions()
        options.newName = try BucketName("copy")
        options.mapping = try KeyMapping(rules.map { rule in try KeyMapping.Rule(rule) })
        return options
    }

    @Test(
        "A part of the keys, at a past time, under other names, into another bucket, in one go",
        arguments: ServerBinary.all,
        [RestoreOptions.Mode.exact, .replay]
    )
    func partAtAPastTime(binary: ServerBinary, mode: RestoreOptions.Mode) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        let folder = try TemporaryDirectory("mapped")
        defer { folder.remove() }
        let path = folder.file("a.cistern")
        let past = try await server.withClient { client in
            try client.createBucket("src", history: 5)
            try client.putMany("src", Self.puts(600, seed: 1))
            return try client.getAllMessages("KV_src")
        }
        let time = try await server.withBuckets { buckets in
            let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
            let source = try await buckets.bucket(try BucketName("src"))
            _ = try await Capture(source, into: writer).run()
            return Timestamp.wallClock()
        }
        _ = try await server.withClient { try $0.putMany("src", Self.puts(600, seed: 2)) }
        try await server.withBuckets { buckets in
            let writer = try ArchiveWriter.open(path: path, createIfMissing: false)
            _ = try await Capture(try await buckets.bucket(try BucketName("src")), into: writer).run()
            let reader = try ArchiveReader.open(path: path)
            var options = try Self.options(Self.rules)
            options.point = .time(time)
            options.mode = mode
            options.filter = [try KeyPattern("eu.>"), try KeyPattern("eu")]
            let restore = Restore(from: reader, to: buckets, options: options)
            let report = try await restore.run(try await restore.prepare())
            #expect(report.mode == mode)
            #expect(report.comparison?.isEqual == true)
            #expect(report.comparison?.equal == report.entries)
        }
        let expected = past.filter { $0.key(in: "src").starts(with: Array("eu".utf8)) }.map { message in
            let name = Self.renamed(String(decoding: message.key(in: "src"), as: UTF8.self))
            return RawMessage(
                seq: message.seq,
                subject: Array("$KV.src.\(name)".utf8),
                headers: message.headers,
                data: message.data,
                time: message.time
            )
        }
        let found = try await server.withClient { try $0.getAllMessages("KV_copy") }
        #expect(!found.isEmpty)
        let comparison = mode == .exact ? BucketComparison.Mode.exact : .replayed
        let differences = BucketComparison.differences(expected, in: "src", found, in: "copy", mode: comparison)
        #expect(differences.isEmpty, "\(differences)")
    }

    @Test("A renaming restore that was stopped goes on only with the same names")
    func resume() async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        let folder = try TemporaryDirectory("mapped")
        defer { folder.remove() }
        let path = folder.file("a.cistern")
        try await server.withClient { client in
            try client.createBucket("src", history: 64)
            try client.putMany("src", Self.puts(30_000, seed: 3))
        }
        try await server.withBuckets { buckets in
            let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
            _ = try await Capture(try await buckets.bucket(try BucketName("src")), into: writer).run()
            let reader = try ArchiveReader.open(path: path)
            var replay = try Self.options(Self.rules)
            replay.mode = .replay
            let options = replay
            // Slowly, so that there is a middle to stop in.
            replay.bytesPerSecond = 64 << 10
            let slow = replay
            let stopped = Task {
                let restore = Restore(from: reader, to: buckets, options: slow) { state in
                    if state.entries > 0 { withUnsafeCurrentTask { $0?.cancel() } }
                }
                _ = try await restore.run(try await restore.prepare())
            }
            await #expect(throws: (any Error).self) { try await stopped.value }
            let copy = try await buckets.bucket(try BucketName("copy"))
            #expect(RestoreMarker(copy.configuration)?.source.contains("eu.>=europe.>") == true)
            var others = try Self.options(["eu.>=europe.>"])
            others.mode = .replay
            let other = Restore(from: reader, to: buckets, options: others)
            await #expect { _ = try await other.prepare() } throws: {
                ($0 as? ReplicationError)?.code == .targetExists
            }
            let restore = Restore(from: reader, to: buckets, options: options)
            let prepared = try await restore.prepare()
            #expect(prepared.plan.action == .resume)
            let report = try await restore.run(prepared)
            #expect(report.resumed > 0)
            #expect(report.comparison?.isEqual == true)
            #expect(report.comparison?.equal == report.entries)
        }
    }

    @Test("Two keys of one name are refused before anything is touched, and named")
    func collision() async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        let folder = try TemporaryDirectory("mapped")
        defer { folder.remove() }
        let path = folder.file("a.cistern")
        try await server.withClient { client in
            try client.createBucket("src", history: 1)
            for key in ["eu.a", "eu.b", "us.b", "us.c"] { try client.put("src", key, "v") }
        }
        try await server.withBuckets { buckets in
            let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
            _ = try await Capture(try await buckets.bucket(try BucketName("src")), into: writer).run()
            let reader = try ArchiveReader.open(path: path)
            for rules in [["eu.>=us.>"], ["eu.*=x.$1", "us.*=x.$1"], ["*.b=$1", "us.c=eu"]] {
                let restore = Restore(from: reader, to: buckets, options: try Self.options(rules))
                await #expect { _ = try await restore.prepare() } throws: { error in
                    guard let error = error as? ReplicationError, error.code == .keysCollide else { return false }
                    return error.text.contains("us.") && error.text.contains("eu.b")
                }
            }
            #expect(try await buckets.list().map(\.name.rawValue) == ["src"])
            var options = try Self.options(["eu.>=us.>"])
            options.filter = [try KeyPattern("eu.>")]
            let restore = Restore(from: reader, to: buckets, options: options)
            #expect(try await restore.run(try await restore.prepare()).comparison?.isEqual == true)
        }
    }
}
