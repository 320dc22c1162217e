import Archive
import KVModel
import KeyValue
import Synchronization
import TestSupport
import Testing

@testable import Replication

/// First captures that begin with the server's own snapshot (2.15), against real servers.
@Suite("Captures through the server's snapshot", .serialized)
struct SnapshotCaptureTests {
    private static let storages = ["file", "memory"]

    private static func options() -> Capture.Options {
        var options = Capture.Options()
        options.leastSnapshotBytes = 0
        options.segmentBytes = 1 << 20
        return options
    }

    /// What the archive holds of the bucket at its newest point.
    private static func archived(_ path: String) throws -> [Entry] {
        let reader = try ArchiveReader.open(path: path)
        let incarnation = try #require(try reader.incarnations().first)
        let state = try reader.state(of: incarnation.id, at: try reader.resolve(.newest, in: incarnation.id))
        var entries: [Entry] = []
        var cursor = state.makeCursor()
        while let run = try cursor.next() { try run.forEachEntry { entries.append(Entry($0)) } }
        return entries
    }

    private static func expectEqual(_ path: String, _ server: ServerProcess) async throws {
        let held = try await server.withClient { try $0.getAllMessages("KV_src") }
        let archived = try Self.archived(path)
        #expect(archived.map(\.revision) == held.map(\.seq))
        #expect(archived.map(\.key.bytes) == held.map { $0.key(in: "src") })
        #expect(archived.map(\.value) == held.map(\.data))
        #expect(archived.map(\.headers) == held.map(\.headers))
        #expect(archived.map(\.time) == held.map { Timestamp(rfc3339: $0.time) })
    }

    private static func puts(_ count: Int, keys: Int, seed: UInt64) -> [RawPut] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { _ in
            let key = Array("key.\(Int.random(in: 0..<keys, using: &random))".utf8)
            return switch Int.random(in: 0..<20, using: &random) {
            case 0: RawPut.delete(key)
            case 1: RawPut.purge(key)
            default: RawPut(key: key, value: random.bytes(Int.random(in: 0..<400, using: &random)))
            }
        }
    }

    @Test("Under writers nothing is missing, and all is as the bucket holds it", arguments: storages)
    func writers(storage: String) async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        let folder = try TemporaryDirectory("snapshot")
        defer { folder.remove() }
        let path = folder.file("a.cistern")
        try await server.withClient { client in
            try client.createBucket("src", history: 3, storage: storage)
            try client.putMany("src", Self.puts(20_000, keys: 8000, seed: 1))
        }
        let port = server.port
        let isOver = Atomic(false)
        let received = Atomic(UInt64(0))
        async let written: Void = onOwnThread {
            let client = try RawNATS(port: port)
            defer { client.close() }
            var seed: UInt64 = 2
            while !isOver.load(ordering: .relaxed) {
                try client.putMany("src", Self.puts(50, keys: 8000, seed: seed))
                seed += 1
            }
        }
        try await server.withBuckets { buckets in
            let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
            let capture = Capture(
                try await buckets.bucket(try BucketName("src")),
                into: writer,
                options: Self.options()
            ) { progress in
                received.store(progress.entries, ordering: .relaxed)
                // By then the snapshot lies behind it.
                if progress.entries > 20_000 { isOver.store(true, ordering: .relaxed) }
            }
            #expect(try await capture.run().outcome == .complete)
            try writer.close()
        }
        isOver.store(true, ordering: .relaxed)
        try await written
        // Where the writer is slow it goes on until here: what it wrote since is captured behind the first, which must have
        // left nothing out.
        try await server.withBuckets { buckets in
            let writer = try ArchiveWriter.open(path: path)
            let bucket = try await buckets.bucket(try BucketName("src"))
            #expect(try await Capture(bucket, into: writer, options: Self.options()).run().outcome == .complete)
            try writer.close()
        }
        #expect(received.load(ordering: .relaxed) > 10_000)
        try await Self.expectEqual(path, server)
    }

    @Test("A snapshot that breaks off anywhere is followed by a consumer", arguments: [0, 1000, 200_000, 900_000])
    func broken(bytes: Int) async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        let proxy = try TCPProxy(to: server.port)
        defer { proxy.close() }
        let folder = try TemporaryDirectory("snapshot")
        defer { folder.remove() }
        let path = folder.file("a.cistern")
        try await server.withClient { client in
            try client.createBucket("src", history: 3)
            try client.putMany("src", Self.puts(10_000, keys: 4000, seed: 3))
        }
        try await MirrorRig.withBuckets(proxy.url) { buckets in
            let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
            let bucket = try await buckets.bucket(try BucketName("src"))
            proxy.plan(.cut, at: 3000 + bytes, in: \.toClient)
            let report = try await Capture(bucket, into: writer, options: Self.options()).run()
            #expect(report.outcome == .complete)
            try writer.close()
        }
        #expect(proxy.faults == 1)
        try await Self.expectEqual(path, server)
    }

    @Test("Nothing of a bucket that was made anew gets among the entries of the one before", arguments: [10, 5000])
    func recreated(entries: Int) async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        let folder = try TemporaryDirectory("snapshot")
        defer { folder.remove() }
        let path = folder.file("a.cistern")
        try await server.withClient { client in
            try client.createBucket("src", history: 3)
            try client.putMany("src", Self.puts(3000, keys: 100, seed: 4))
        }
        try await server.withBuckets { buckets in
            let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
            let bucket = try await buckets.bucket(try BucketName("src"))
            try await server.withClient { client in
                try client.deleteStream("KV_src")
                try client.createBucket("src", history: 3)
                try client.putMany("src", Self.puts(entries, keys: 4000, seed: 5))
            }
            var options = Self.options()
            options.segmentBytes = 16 << 10
            let error = await #expect(throws: ReplicationError.self) {
                try await Capture(bucket, into: writer, options: options).run()
            }
            #expect(error?.code == .sourceRecreated)
            let incarnation = try #require(try writer.reader().incarnations().first)
            #expect(try writer.checkpoint(incarnation.id)?.resumeRevision ?? 0 == 0)
            #expect(try writer.lastEntry(incarnation.id) == nil)
            try writer.close()
        }
    }

    @Test("Nothing is committed behind a segment that could not be")
    func hole() async throws {
        let folder = try TemporaryDirectory("snapshot")
        defer { folder.remove() }
        let writer = try ArchiveWriter.open(path: folder.file("a.cistern"), createIfMissing: true)
        let name = try BucketName("src")
        let incarnation = try writer.incarnation(cluster: "c", bucket: name, created: "2026-11-21T10:00:00Z").id
        func checkpoint(_ revision: Revision) -> Checkpoint {
            Checkpoint(
                resumeRevision: revision,
                sourceState: Checkpoint.SourceState(messages: 0, bytes: 0, firstSequence: 0, lastSequence: 0),
                updated: .wallClock()
            )
        }
        func segment(_ revision: Revision) throws -> SegmentBuilder {
            var builder = SegmentBuilder()
            let entry = Entry(
                revision: revision,
                time: Timestamp(nanoseconds: 1),
                operation: .put,
                key: Key("k"),
                headers: [],
                value: [1]
            )
            try entry.withView { try builder.append($0) }
            return builder
        }
        var committer = SegmentCommitter(writer: writer, incarnation: incarnation, committedRevision: 0)
        try await committer.commit(try segment(5), checkpoint(5), waits: true)
        // It does not follow: the archive refuses it, as a full disk would.
        await #expect(throws: ArchiveError.self) {
            try await committer.commit(try segment(3), checkpoint(3), waits: true)
        }
        await #expect(throws: ArchiveError.self) {
            try await committer.commit(SegmentBuilder(), checkpoint(9), waits: true)
        }
        #expect(committer.committedRevision == 5)
        #expect(try writer.checkpoint(incarnation)?.resumeRevision == 5)
        try writer.close()
    }
}
