import Archive
import JetStream
import KVModel
import KeyValue
import Replication
import TestSupport
import Testing

/// Backups of some of a bucket's keys, against real servers.
@Suite("Filtered captures", .serialized)
struct FilteredCaptureTests {
    private static let patterns = ["eu.>", "shared", "*.config"]
    private static let names = ["eu.a", "eu.b.c", "shared", "app.config", "us.a", "other", "app.config.x", "eu"]

    private static func isWanted(_ message: RawMessage) -> Bool {
        ["eu.a", "eu.b.c", "shared", "app.config"].contains(String(decoding: message.key(in: "src"), as: UTF8.self))
    }

    private static func puts(_ count: Int, seed: UInt64) -> [RawPut] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { _ in
            let key = Array(names[Int.random(in: 0..<names.count, using: &random)].utf8)
            return switch Int.random(in: 0..<12, using: &random) {
            case 0: RawPut.delete(key)
            case 1: RawPut.purge(key)
            default: RawPut(key: key, value: random.bytes(Int.random(in: 0..<300, using: &random)))
            }
        }
    }

    private static func options(_ patterns: [String] = patterns) throws -> Capture.Options {
        var options = Capture.Options()
        options.filter = try patterns.map { pattern in try KeyPattern(pattern) }
        return options
    }

    @Test("Only the keys asked for are archived, and what vanished of them is found", arguments: ServerBinary.all)
    func capture(binary: ServerBinary) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        let folder = try TemporaryDirectory("filtered")
        defer { folder.remove() }
        let path = folder.file("a.cistern")
        _ = try await server.withClient { client in
            try client.createBucket("src", history: 5)
            try client.putMany("src", Self.puts(400, seed: 1))
        }
        var removals = 0
        for round in 0..<3 {
            let before = try await server.withClient { try $0.getAllMessages("KV_src").filter(Self.isWanted) }
            let report = try await server.withBuckets { buckets in
                let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
                let bucket = try await buckets.bucket(try BucketName("src"))
                let report = try await Capture(bucket, into: writer, options: try Self.options()).run()
                #expect(report.outcome == .complete)
                let state = try #require(report.state)
                #expect(state.incarnation.filter.map(\.description) == ["*.config", "eu.>", "shared"])
                var revisions: [Revision] = []
                try state.forEachOutline { entry, _ in revisions.append(entry.revision) }
                #expect(revisions == before.map(\.seq), "round \(round)")
                let comparison = try await LiveComparison(bucket, state.incarnation).run(state, at: state.revision)
                #expect(comparison.isEqual && comparison.equal == UInt64(before.count) && comparison.newer == 0)
                let part = LiveComparison(bucket, state.incarnation, filter: [try KeyPattern("*.>")])
                let some = try writer.reader().state(
                    of: state.incarnation.id,
                    at: state.revision,
                    filter: [try KeyPattern("*.>")]
                )
                let found = try await part.run(some, at: state.revision)
                #expect(found.isEqual && found.equal == UInt64(some.entries) && found.newer == 0)
                return report
            }
            removals += report.removals
            // Purged by an operator's hand: no entry says so.
            _ = try await server.withClient { client in
                try client.api("STREAM.PURGE.KV_src", #"{"filter":"$KV.src.eu.a","keep":1}"#)
                try client.api("STREAM.PURGE.KV_src", #"{"filter":"$KV.src.us.a"}"#)
                if round > 0 { try client.putMany("src", Self.puts(100, seed: UInt64(round + 1))) }
                try client.putMany("src", [RawPut("other", "last")])
            }
        }
        #expect(removals > 0)
        let reader = try ArchiveReader.open(path: path)
        #expect(try reader.verify().problems.isEmpty)
    }

    @Test("A backup of keys that are written to all the time comes to an end", .timeLimit(.minutes(2)))
    func busy() async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        let folder = try TemporaryDirectory("filtered")
        defer { folder.remove() }
        _ = try await server.withClient { try $0.createBucket("src", history: 5) }
        let writer = BackgroundWriter(
            port: server.port,
            bucket: "src",
            keys: 50,
            prefix: "eu.",
            size: 10,
            perSecond: 500,
            seed: 1
        )
        try await eventually("writes") { writer.written > 0 }
        let report = try await server.withBuckets { buckets in
            let archive = try ArchiveWriter.open(path: folder.file("a.cistern"), createIfMissing: true)
            let bucket = try await buckets.bucket(try BucketName("src"))
            var options = try Self.options()
            options.probeLimit = .milliseconds(500)
            return try await Capture(bucket, into: archive, options: options).run()
        }
        try await writer.stop()
        // By chance nothing comes while the server counts the keys.
        #expect(report.outcome == .noConsistentRevision || report.outcome == .complete)
    }

    @Test("A backup of other keys into the same archive is refused, and changes nothing")
    func otherKeys() async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        let folder = try TemporaryDirectory("filtered")
        defer { folder.remove() }
        _ = try await server.withClient { client in
            try client.createBucket("src", history: 5)
            try client.putMany("src", Self.puts(100, seed: 1))
        }
        try await server.withBuckets { buckets in
            let bucket = try await buckets.bucket(try BucketName("src"))
            let whole = try ArchiveWriter.open(path: folder.file("whole.cistern"), createIfMissing: true)
            _ = try await Capture(bucket, into: whole).run()
            let part = try ArchiveWriter.open(path: folder.file("part.cistern"), createIfMissing: true)
            _ = try await Capture(bucket, into: part, options: try Self.options()).run()
            let same = try Self.options(["shared", "*.config", "eu.b.c", "eu.>"])
            #expect(try await Capture(bucket, into: part, options: same).run().outcome == .complete)
            for (writer, patterns) in [(whole, ["eu.>"]), (part, []), (part, ["eu.>"])] {
                let runs = try writer.reader().runs().count
                await #expect {
                    _ = try await Capture(bucket, into: writer, options: try Self.options(patterns)).run()
                } throws: { error in
                    (error as? ReplicationError)?.code == .otherKeys
                }
                #expect(try writer.reader().runs().count == runs)
            }
            await #expect {
                let options = try Self.options((0..<12).map { "*\(String(repeating: ".*", count: $0)).x\($0).>" })
                _ = try await Capture(bucket, into: part, options: options).run()
            } throws: { error in
                (error as? ReplicationError)?.code == .unsupported
            }
        }
    }

    @Test("An export carries the filter, and an import takes it on")
    func interchange() async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        let folder = try TemporaryDirectory("filtered")
        defer { folder.remove() }
        _ = try await server.withClient { client in
            try client.createBucket("src", history: 5)
            try client.putMany("src", Self.puts(100, seed: 1))
        }
        try await server.withBuckets { buckets in
            let bucket = try await buckets.bucket(try BucketName("src"))
            let part = try ArchiveWriter.open(path: folder.file("part.cistern"), createIfMissing: true)
            _ = try await Capture(bucket, into: part, options: try Self.options()).run()
            let copy = try ArchiveWriter.open(path: folder.file("copy.cistern"), createIfMissing: true)
            try Self.copy(try part.reader(), into: copy)
            #expect(try copy.reader().incarnations().map(\.filter) == part.reader().incarnations().map(\.filter))
            #expect(try copy.reader().verify().problems.isEmpty)
            let report = try await Capture(bucket, into: copy, options: try Self.options()).run()
            #expect(report.entries == 0 && report.outcome == .complete)
        }
    }

    private static func copy(_ reader: ArchiveReader, into writer: ArchiveWriter) throws {
        var lines: [UInt8] = []
        _ = try ArchiveExport(reader).run(try reader.incarnations()) { lines.append(contentsOf: $0) }
        var position = 0
        _ = try ArchiveImport(into: writer, source: "lines").run { buffer in
            let part = lines[position...].prefix(buffer.count)
            buffer.copyBytes(from: part)
            position += part.count
            return part.count
        }
    }
}
