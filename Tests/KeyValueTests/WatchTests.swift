import JetStream
import KVModel
import KeyValue
import NATSClient
import TestSupport
import Testing

@Suite("Watches on real servers", .serialized)
struct WatchTests {
    /// Reads until so many entries have come.
    private func read(_ watch: Watch, _ count: Int) async throws -> [Entry] {
        var entries: [Entry] = []
        while entries.count < count, let batch = try await watch.next(timeout: .seconds(20)) {
            batch.forEachEntry { entries.append(Entry($0)) }
        }
        return entries
    }

    /// Whether a request gets its answer.
    private func answers(_ bucket: Bucket) async throws -> Bool {
        do {
            _ = try await bucket.refreshed()
            return true
        } catch is JetStreamError {
            return false
        } catch is NATSError {
            return false
        }
    }

    @Test("Every entry comes once and in order, from any revision", arguments: ServerBinary.all)
    func order(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, server in
            try await server.withClient {
                try $0.createBucket("app", history: 10)
                try $0.fill("app", count: 5000, keys: 1000, size: 100, seed: 1)
            }
            let bucket = try await buckets.bucket(try BucketName("app"))
            let watch = try await bucket.watch()
            #expect(await watch.initiallyPending == 5000)
            #expect(try await read(watch, 5000).map(\.revision) == Array(1...5000))
            let revision = try await bucket.put("live", [1])
            #expect(try await read(watch, 1).map(\.revision) == [revision])
            await watch.stop()
            var options = WatchOptions()
            options.start = .sequence(4990)
            let late = try await bucket.watch(options)
            #expect(try await read(late, 12).map(\.revision) == Array(4990...5001))
            await late.stop()
        }
    }

    @Test("A reader that is behind misses nothing before a purge", arguments: ServerBinary.all)
    func purges(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, server in
            try await server.withClient {
                try $0.createBucket("app", history: 5)
                try $0.fill("app", count: 20_000, keys: 10_000, size: 500, seed: 1)
            }
            let bucket = try await buckets.bucket(try BucketName("app"))
            let watch = try await bucket.watch()
            // The server is stopped by flow control, and goes on when much has happened behind the reader.
            let first = try #require(try await watch.next(timeout: .seconds(20)))
            var revisions: [Revision] = []
            first.forEachEntry { revisions.append($0.revision) }
            for number in stride(from: 0, to: 10_000, by: 97) { try await bucket.purge(Key("key.\(number)")) }
            let last = try await bucket.refreshed().info.state.lastSequence
            while (revisions.last ?? 0) < last {
                let batch = try #require(try await watch.next(timeout: .seconds(20)))
                batch.forEachEntry { revisions.append($0.revision) }
            }
            await watch.stop()
            #expect(revisions == revisions.sorted() && Set(revisions).count == revisions.count)
            let held = try await server.withClient { try $0.getAllMessages("KV_app").map(\.seq) }
            let missing = Set(held).subtracting(revisions)
            #expect(
                missing.isEmpty,
                "\(missing.count) of \(held.count), \(missing.min() ?? 0) to \(missing.max() ?? 0)"
            )
        }
    }

    @Test("Patterns, one and several", arguments: ServerBinary.all)
    func patterns(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, _ in
            let bucket = try await buckets.create(BucketConfiguration(name: try BucketName("app")))
            for key in ["a.x", "b.x", "c.x", "a.y"] { try await bucket.put(Key(key), []) }
            var options = WatchOptions()
            options.patterns = [try KeyPattern("a.>")]
            #expect(try await read(try await bucket.watch(options), 2).map(\.key) == ["a.x", "a.y"])
            options.patterns = [try KeyPattern("a.>"), try KeyPattern("c.*")]
            #expect(try await read(try await bucket.watch(options), 3).map(\.key) == ["a.x", "c.x", "a.y"])
        }
    }

    @Test("The newest entry of each key, and what comes after", arguments: ServerBinary.all)
    func lastPerKey(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, server in
            try await server.withClient {
                try $0.createBucket("app", history: 10)
                try $0.fill("app", count: 300, keys: 100, size: 10, seed: 1)
            }
            let bucket = try await buckets.bucket(try BucketName("app"))
            var options = WatchOptions()
            options.start = .lastPerSubject
            let watch = try await bucket.watch(options)
            let revisions = try await read(watch, 100).map(\.revision)
            #expect(Set(revisions) == Set(201...300))
            await watch.stop()
        }
    }

    @Test("A watch goes on through cut connections and a restarted server", arguments: ServerBinary.all)
    func interruptions(binary: ServerBinary) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        let proxy = try TCPProxy(to: server.port)
        defer { proxy.close() }
        try await server.withClient {
            try $0.createBucket("app", history: 1)
            try $0.fill("app", count: 3000, keys: 3000, size: 2000, seed: 1)
        }
        try await withBuckets(at: proxy.url) { buckets in
            let bucket = try await buckets.bucket(try BucketName("app"))
            let watch = try await bucket.watch()
            var revisions = try await read(watch, 100).map(\.revision)
            proxy.cut()
            revisions += try await read(watch, 1000).map(\.revision)
            try await server.restart()
            revisions += try await read(watch, 3000 - revisions.count).map(\.revision)
            #expect(revisions == Array(1...3000))
            // Entries may come out of the buffer while the connection is still away.
            try await eventually("the server to answer") { try await answers(bucket) }
            let live = try await bucket.put("live", [1])
            #expect(try await read(watch, 1).map(\.revision) == [live])
            #expect(await watch.restarts > 0)
            await watch.stop()
        }
    }

    @Test("A bucket that is deleted and created again ends the watch with an error")
    func recreated() async throws {
        try await withBuckets { buckets, _ in
            let name = try BucketName("app")
            let bucket = try await buckets.create(BucketConfiguration(name: name))
            try await bucket.put("a", [])
            let watch = try await bucket.watch()
            _ = try await read(watch, 1)
            try await buckets.delete(name)
            _ = try await buckets.create(BucketConfiguration(name: name))
            await #expect { _ = try await watch.next(timeout: .seconds(30)) } throws: {
                ($0 as? JetStreamError)?.code == .streamRecreated
            }
        }
    }
}
