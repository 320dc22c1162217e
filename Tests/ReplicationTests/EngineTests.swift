import Archive
import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient
import NATSProtocol
import Replication
import TestSupport
import Testing

/// The engine in this process, against a real server: what the end-to-end tests cannot look into.
@Suite("Capture and restore, step by step", .serialized)
struct EngineTests {
    private func withBuckets(_ server: ServerProcess, _ body: @Sendable (Buckets) async throws -> Void) async throws {
        let configuration = ConnectionConfiguration(servers: try ServerAddress.list(server.url))
        try await Connection.withConnection(configuration, logger: Logger(label: "test")) { connection in
            try await body(Buckets(JetStreamContext(connection)))
        }
    }

    @Test("A capture reaches the last revision, and a restore writes what the bucket held", arguments: ServerBinary.all)
    func roundTrip(binary: ServerBinary) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        let folder = try TemporaryDirectory("engine")
        try await server.withClient { try $0.createBucket("src", history: 64) }
        var generator = BucketGenerator(entries: 2000, seed: 11)
        generator.largeValues = 2
        let fixed = generator
        let last = try await server.withClient { try fixed.write(to: "src", with: $0) }
        try await withBuckets(server) { buckets in
            let path = folder.file("a.cistern")
            let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
            let source = try await buckets.bucket(try BucketName("src"))
            let report = try await Capture(source, into: writer).run()
            #expect(report.plan == .first)
            #expect(report.outcome == .complete)
            #expect(report.consistentRevision == last)
            let again = try await Capture(source, into: writer).run()
            #expect(again.plan == .resume(after: last))
            #expect(again.entries == 0)
            try writer.close()
            let reader = try ArchiveReader.open(path: path)
            #expect(try reader.verify().problems.isEmpty)
            var options = RestoreOptions()
            options.newName = try BucketName("copy")
            let restore = Restore(from: reader, to: buckets, options: options)
            let prepared = try await restore.prepare()
            #expect(prepared.plan.action == .create)
            let restored = try await restore.run(prepared)
            #expect(restored.comparison?.isEqual == true)
            let target = try await buckets.bucket(try BucketName("copy"))
            #expect(RestoreMarker(target.configuration) == nil)
            await #expect { _ = try await restore.prepare() } throws: {
                ($0 as? ReplicationError)?.code == .targetExists
            }
        }
        let left = try await server.withClient { try $0.getAllMessages("KV_src") }
        let right = try await server.withClient { try $0.getAllMessages("KV_copy") }
        let differences = BucketComparison.differences(left, in: "src", right, in: "copy", mode: .replayed)
        #expect(differences.isEmpty, "\(differences)")
    }
}
