import Archive
import Foundation
import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient
import NATSProtocol
import Replication
import TestSupport
import Testing

/// What a server's removal of deleted files, which goes on behind its answer, does to what is made next.
@Suite("Files of deleted streams", .serialized)
struct DeletedFilesTests {
    private func withBuckets(_ server: ServerProcess, _ body: (Buckets) async throws -> Void) async throws {
        let configuration = ConnectionConfiguration(servers: try ServerAddress.list(server.url))
        try await Connection.withConnection(configuration, logger: Logger(label: "test")) { connection in
            try await body(Buckets(JetStreamContext(connection)))
        }
    }

    /// Where a server of this version keeps its streams.
    private func streams(_ server: ServerProcess) -> URL {
        URL(fileURLWithPath: server.directory.file("store")).appendingPathComponent("jetstream/$G/streams")
    }

    @Test("A replay never takes the entries of a deleted bucket for its own", arguments: ServerBinary.all)
    func returned(binary: ServerBinary) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        let folder = try TemporaryDirectory("deleted-files")
        _ = try await server.withClient { client in
            try client.createBucket("src")
            try client.put("src", "a", "1")
            try client.createBucket("dst")
            try client.put("dst", "old", "x")
        }
        // What a removal leaves for as long as it has not come to an end: the next deletion cannot rename.
        let pending = streams(server).appendingPathComponent(".KV_dst")
        try FileManager.default.createDirectory(at: pending, withIntermediateDirectories: true)
        try Data("x".utf8).write(to: pending.appendingPathComponent("x"))
        let comesBack = try await server.withClient { client in
            try client.deleteStream("KV_dst")
            try client.createBucket("dst")
            return try client.streamInfo("KV_dst").messages
        }
        // 2.9 forgets what it does not remove.
        #expect(comesBack == (binary.isAtLeast("2.10") ? 1 : 0))
        try await withBuckets(server) { buckets in
            let path = folder.file("a.cistern")
            let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
            _ = try await Capture(try await buckets.bucket(BucketName("src")), into: writer).run()
            try writer.close()
            var options = RestoreOptions()
            options.newName = try BucketName("dst")
            options.replaces = true
            options.mode = .replay
            let restore = Restore(from: try ArchiveReader.open(path: path), to: buckets, options: options)
            async let report = restore.run(try await restore.prepare())
            let before = try await server.withClient { try $0.streamInfo("KV_dst").created }
            try await eventually("the first attempt") {
                try await server.withClient { client in
                    do { return try client.streamInfo("KV_dst").created != before } catch is RawNATSError {
                        return true
                    }
                }
            }
            try FileManager.default.removeItem(at: pending)
            _ = try await report
        }
        let left = try await server.withClient { try $0.getAllMessages("KV_dst") }
        #expect(left.map { $0.key(in: "dst") } == [Array("a".utf8)])
    }

    @Test(
        "A bucket is made although the server cannot make its folder at first",
        // 2.9 leaves what is in the way where it is.
        arguments: ServerBinary.all.filter { $0.isAtLeast("2.10") }
    )
    func folder(binary: ServerBinary) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        let streams = streams(server)
        try FileManager.default.createDirectory(
            at: streams.deletingLastPathComponent(),
            withIntermediateDirectories: true
        )
        // In place of the folder: the server fails, and removes what it finds.
        try Data().write(to: streams)
        try await withBuckets(server) { buckets in
            let bucket = try await buckets.create(BucketConfiguration(name: BucketName("b")))
            #expect(bucket.info.state.messages == 0)
        }
        #expect(server.log.contains("Stream create failed"), "the folder was not in the way")
    }
}
