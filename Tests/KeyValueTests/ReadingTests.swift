import JetStream
import KVModel
import KeyValue
import TestSupport
import Testing

/// Reading what a bucket holds, to its end and no further.
@Suite("Reading all of a bucket on real servers", .serialized)
struct ReadingTests {
    /// Whether a request gets its answer.
    private static func answers(_ bucket: Bucket) async -> Bool {
        do {
            _ = try await bucket.refreshed()
            return true
        } catch {
            return false
        }
    }

    /// Ends a proxy's planned stall once a request has gone without its answer.
    private static func resume(_ proxy: TCPProxy, _ bucket: Bucket) async throws {
        try await eventually("the stall") { proxy.faults == 1 }
        try await eventually("a request without an answer") { await !answers(bucket) }
        proxy.resume()
    }

    @Test("Everything is read, and one key's history", arguments: ServerBinary.all)
    func everything(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, server in
            try await server.withClient {
                try $0.createBucket("app", history: 5)
                try $0.createBucket("empty")
                try $0.fill("app", count: 5000, keys: 1000, size: 100, seed: 1)
            }
            let bucket = try await buckets.bucket(try BucketName("app"))
            var revisions: [Revision] = []
            try await bucket.readAll { revisions.append($0.revision) }
            #expect(revisions == Array(1...5000))
            #expect(try await bucket.history("key.7").map(\.revision) == [8, 1008, 2008, 3008, 4008])
            #expect(try await bucket.history("none").isEmpty)
            try await buckets.bucket(try BucketName("empty")).readAll { _ in Issue.record("it is empty") }
        }
    }

    @Test("The newest entry of every key is read, in whatever order servers send them", arguments: ServerBinary.all)
    func newest(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, server in
            try await server.withClient {
                try $0.createBucket("app", history: 3)
                try $0.fill("app", count: 20_000, keys: 10_000, size: 500, seed: 1)
            }
            let bucket = try await buckets.bucket(try BucketName("app"))
            var options = WatchOptions()
            options.start = .lastPerSubject
            var newest: [Key: Revision] = [:]
            var count = 0
            try await bucket.read(options, through: 20_000) { batch in
                batch.forEachEntry { entry in
                    newest[Key(bytes: Array(entry.key))] = entry.revision
                    count += 1
                }
            }
            #expect(Set(newest.values) == Set(10_001...20_000))
            #expect(count == 10_000 || !bucket.showsNewestOnly)
        }
    }

    @Test("A server that takes its time has not come to an end")
    func pauses() async throws {
        try await withBuckets { buckets, server in
            try await server.withClient {
                // A server sends as much as its largest message at once, whatever the rate.
                try $0.createBucket("app", more: #""max_msg_size":60000"#)
                try $0.fill("app", count: 3, size: 50_000, seed: 1)
            }
            let bucket = try await buckets.bucket(try BucketName("app"))
            var options = WatchOptions()
            options.bytesPerSecond = 10_000
            var revisions: [Revision] = []
            try await bucket.readAll(options) { revisions.append($0.revision) }
            #expect(revisions == [1, 2, 3])
        }
    }

    @Test("A connection that stands still for longer than a request may take is no end, and no error")
    func stall() async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        let proxy = try TCPProxy(to: server.port)
        defer { proxy.close() }
        try await server.withClient {
            try $0.createBucket("app")
            try $0.fill("app", count: 10_000, size: 2000, seed: 1)
        }
        try await withBuckets(at: proxy.url) { buckets in
            let bucket = try await buckets.bucket(try BucketName("app"))
            proxy.plan(.stall, at: 4_000_000, in: \.toClient)
            async let resumed: Void = Self.resume(proxy, bucket)
            var revisions: [Revision] = []
            try await bucket.readAll { revisions.append($0.revision) }
            try await resumed
            #expect(revisions == Array(1...10_000))
        }
    }

    @Test("What is written while a bucket is read is read as well")
    func meanwhile() async throws {
        try await withBuckets { buckets, server in
            try await server.withClient {
                try $0.createBucket("app")
                try $0.fill("app", count: 20_000, size: 500, seed: 1)
            }
            let bucket = try await buckets.bucket(try BucketName("app"))
            var options = WatchOptions()
            options.start = .lastPerSubject
            let client = try RawNATS(port: server.port)
            defer { client.close() }
            var found: Set<Key> = []
            try await bucket.readAll(options) { entry in
                if found.isEmpty {
                    // Flow control keeps these back: they are driven out before they are sent.
                    try client.putMany("app", (19_000..<19_999).map { RawPut("key.\($0)", "new") })
                }
                found.insert(Key(bytes: Array(entry.key)))
            }
            #expect(found.count == 20_000)
        }
    }

    @Test("Keys whose entries are replaced before they are sent are all read, one by one as they come")
    func replaced() async throws {
        try await withBuckets { buckets, server in
            try await server.withClient {
                // A server sends as much as its largest message at once, whatever the rate.
                try $0.createBucket("app", more: #""max_msg_size":60000"#)
                try $0.fill("app", count: 30, size: 50_000, seed: 1)
            }
            let bucket = try await buckets.bucket(try BucketName("app"))
            var options = WatchOptions()
            options.start = .lastPerSubject
            options.bytesPerSecond = 500_000
            let client = try RawNATS(port: server.port)
            defer { client.close() }
            let value = String(repeating: "n", count: 50_000)
            var found: Set<Key> = []
            try await bucket.readAll(options) { entry in
                if found.isEmpty { try client.putMany("app", (10..<30).map { RawPut("key.\($0)", value) }) }
                found.insert(Key(bytes: Array(entry.key)))
            }
            #expect(found.count == 30)
        }
    }

    @Test("Whether anything is left is asked of the server", arguments: ServerBinary.all)
    func rest(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, _ in
            let bucket = try await buckets.create(BucketConfiguration(name: try BucketName("app")))
            for key in ["a.x", "b.x", "c.x"] { try await bucket.put(Key(key), []) }
            let (a, b) = (try KeyPattern("a.>"), try KeyPattern("b.>"))
            // No patterns stand for all keys.
            #expect(try await !bucket.holdsNothing(of: [], after: 2))
            #expect(try await bucket.holdsNothing(of: [], after: 3))
            #expect(try await bucket.holdsNothing(of: [a, b], after: 2))
            #expect(try await !bucket.holdsNothing(of: [a, b], after: 1))
            #expect(try await bucket.holdsNothing(of: [a, b], after: 1, through: 1))
            #expect(try await bucket.holdsNothing(of: [], after: 1, through: 1))
            #expect(try await bucket.holdsNothing(of: [], after: .max))
            var options = WatchOptions()
            options.patterns = []
            var count = 0
            try await bucket.read(options, through: 3) { count += $0.count }
            #expect(count == 3)
        }
    }
}
