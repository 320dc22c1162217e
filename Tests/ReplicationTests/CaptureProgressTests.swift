import Archive
import KVModel
import KeyValue
import Replication
import Synchronization
import TestSupport
import Testing

/// What a capture tells of itself while it goes on.
@Suite("Captures that follow, and what they tell")
struct CaptureProgressTests {
    @Test("A capture says when it has proved a revision itself, also of a bucket that nobody has written since")
    func proof() async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        let folder = try TemporaryDirectory("progress")
        defer { folder.remove() }
        try await server.withClient { client in
            try client.createBucket("src", history: 5)
            try client.fill("src", count: 20, size: 16, seed: 1)
        }
        let path = folder.file("a.cistern")
        let first = try await Self.follow(server, path)
        #expect(first.last?.consistentRevision == 20)
        let quiet = try await Self.follow(server, path)
        #expect(quiet.last?.consistentRevision == 20)
        #expect(quiet.last?.entries == 0)
        try await server.withClient { _ = try $0.put("src", "k", "v") }
        let written = try await Self.follow(server, path)
        // What came with the new entry was proved by an earlier capture.
        let early = try #require(written.first)
        #expect(early.consistentRevision == 20)
        #expect(!early.isProved)
        #expect(written.last?.consistentRevision == 21)
    }

    /// Follows the bucket until that has proved a revision, and answers what was told up to there.
    private static func follow(_ server: ServerProcess, _ path: String) async throws -> [CaptureProgress] {
        try await server.withBuckets { buckets in
            let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
            let bucket = try await buckets.bucket(try BucketName("src"))
            var options = Capture.Options()
            options.follows = true
            options.commitInterval = .milliseconds(20)
            let told = Told()
            let capture = Capture(bucket, into: writer, options: options, progress: told.add)
            let running = Task { try await capture.run() }
            // Whatever comes of it, the task must not outlive the connection.
            let proof: Result<Void, any Error>
            do {
                try await eventually("a proof") { told.all.contains(where: \.isProved) }
                proof = .success(())
            } catch {
                proof = .failure(error)
            }
            running.cancel()
            #expect(try await running.value.outcome == .stopped)
            try writer.close()
            try proof.get()
            return told.all
        }
    }
}

/// Keeps what a capture tells.
private final class Told: Sendable {
    private let state = Mutex<[CaptureProgress]>([])

    var all: [CaptureProgress] { state.withLock { $0 } }

    @Sendable func add(_ progress: CaptureProgress) {
        state.withLock { $0.append(progress) }
    }
}
