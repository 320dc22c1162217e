import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient
import Synchronization
import TestSupport
import Testing

/// The code of the articles, run against a real server.
@Suite struct ExampleTests {
    private static func withBucket(_ body: @Sendable (Buckets, KeyValueBucket) async throws -> Void) async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        try await GettingStarted.run(server.url) { buckets in
            var configuration = BucketConfiguration(name: try BucketName("settings"))
            configuration.history = 5
            try await body(buckets, KeyValueBucket(try await buckets.create(configuration)))
        }
    }

    @Test func gettingStarted() async throws {
        try await Self.withBucket { buckets, _ in
            #expect(try await FirstPage.run(buckets) == "green")
            var article = GettingStarted()
            try await article.useBuckets(buckets)
            #expect(article.order == .init(customer: "Ada", pieces: 3))
            #expect(article.history == [.put, .put, .delete, .put])
        }
    }

    @Test(.timeLimit(.minutes(1))) func watching() async throws {
        try await Self.withBucket { _, bucket in
            try await bucket.put("config.a", "1")
            try await bucket.put("config.b", "2")
            try await bucket.delete("config.a")
            let stop = try await bucket.put("config.stop", "x")
            #expect(try await Watching.follow(bucket) == ["config.b": "2", "config.stop": "x"])

            async let worker: Void = Watching.work(bucket)
            // The worker sees updates only: it is given some until one was done.
            try await eventually("a job to be done") {
                try await bucket.put("jobs.one", "x")
                return try await bucket.latest("done.jobs.one") != nil
            }
            try await bucket.put("jobs.last", "x")
            try await worker
            #expect(try await bucket.get("done.jobs.last", consistency: .leader) != nil)

            let end = try await bucket.put("end", "x")
            #expect(try await Watching.resume(bucket, after: stop) == end)
        }
    }

    @Test(.timeLimit(.minutes(1))) func codecs() async throws {
        try await Self.withBucket { buckets, plain in
            #expect(try await BuiltInCodecs.open(buckets, plain.name) == "Y3VzdG9tZXJz.QWNtZSBJbmM.Y2l0eQ")
            try await plain.purge("Y3VzdG9tZXJz.QWNtZSBJbmM.Y2l0eQ")
            try await plain.purgeDeletes(olderThan: .zero)
            let (bucket, entry) = try await Codecs.open(buckets, plain.name)
            #expect(entry?.key == "color")
            #expect(entry?.storedKey == "acme.color")
            #expect(try await plain.get("acme.color")?.string == "green")
            try await bucket.purge("color")
            try await plain.purgeDeletes(olderThan: .zero)
            let other = try await plain.put("other.color", "red")
            try await Codecs.meetOthers(bucket)
            var events = bucket.watch().makeAsyncIterator()
            guard case .undecodable(let error) = try await events.next() else {
                Issue.record("it was decoded")
                return
            }
            #expect(error.code == .undecodable)
            #expect(error.revision == other)
        }
    }

    @Test(.timeLimit(.minutes(1))) func patterns() async throws {
        try await Self.withBucket { buckets, bucket in
            #expect(try await Patterns.count(bucket) == 4)
            #expect(try await Patterns.count(bucket) == 8)
            try await Patterns.once(bucket)
            try await Patterns.once(bucket)
            #expect(try await bucket.history(of: "nightly.2026-11-22").count == 1)
            #expect(try await !Patterns.follow(bucket))
            try await bucket.put("flags.dark-mode", "true")
            #expect(try await Patterns.follow(bucket))

            var configuration = BucketConfiguration(name: try BucketName("leases"))
            configuration.timeToLive = .seconds(15)
            let leases = KeyValueBucket(try await buckets.create(configuration))
            #expect(try await Patterns.register(leases) == ["10.0.0.7:8080"])
            let tokens = Mutex<[Revision]>([])
            for _ in 0..<2 {
                try await Patterns.lock(leases) { token in tokens.withLock { $0.append(token) } }
            }
            let taken = tokens.withLock { $0 }
            #expect(taken.count == 2 && taken.first ?? 0 < taken.last ?? 0)
        }
    }
}
