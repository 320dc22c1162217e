import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient
import NATSProtocol
import TestSupport
import Testing

/// Runs `body` with the buckets of a fresh server.
func withBuckets(
    _ binary: ServerBinary? = nil,
    _ body: @Sendable (Buckets, ServerProcess) async throws -> Void
) async throws {
    let server = try await ServerProcess.start(binary)
    defer { server.close() }
    try await withBuckets(at: server.url) { try await body($0, server) }
}

func withBuckets(at url: String, _ body: @Sendable (Buckets) async throws -> Void) async throws {
    let configuration = ConnectionConfiguration(servers: try ServerAddress.list(url))
    try await Connection.withConnection(configuration, logger: Logger(label: "test")) { connection in
        try await body(Buckets(JetStreamContext(connection)))
    }
}

@Suite("Buckets on real servers", .serialized)
struct BucketTests {
    @Test("Values are put, read, deleted and purged", arguments: ServerBinary.all)
    func values(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, _ in
            var configuration = BucketConfiguration(name: try BucketName("app"))
            configuration.history = 5
            let bucket = try await buckets.create(configuration)
            let first = try await bucket.put("a.b", Array("one".utf8))
            let second = try await bucket.put("a.b", Array("two".utf8))
            #expect((first, second) == (1, 2))
            #expect(try await bucket.get("a.b")?.value == Array("two".utf8))
            #expect(try await bucket.get("a.b", at: 1)?.value == Array("one".utf8))
            #expect(try await bucket.get("a.c", at: 1) == nil)
            #expect(try await bucket.get("nothing") == nil)
            try await bucket.delete("a.b")
            #expect(try await bucket.get("a.b") == nil)
            #expect(try await bucket.latest("a.b")?.operation == .delete)
            #expect(try await bucket.history("a.b").map(\.operation) == [.put, .put, .delete])
            try await bucket.purge("a.b")
            #expect(try await bucket.history("a.b").map(\.operation) == [.purge])
        }
    }

    @Test("Create and compare-and-set", arguments: ServerBinary.all)
    func compareAndSet(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, _ in
            let bucket = try await buckets.create(BucketConfiguration(name: try BucketName("app")))
            let revision = try await bucket.create("k", [1])
            await #expect { try await bucket.create("k", [2]) } throws: {
                ($0 as? KeyValueError)?.code == .keyExists
            }
            await #expect { try await bucket.put("k", [2], expected: revision + 5) } throws: {
                ($0 as? KeyValueError)?.code == .wrongRevision
            }
            let next = try await bucket.put("k", [2], expected: revision)
            try await bucket.delete("k", expected: next)
            try await bucket.create("k", [3])
            #expect(try await bucket.get("k")?.value == [3])
        }
    }

    @Test("What is not there, or not allowed, is said", arguments: ServerBinary.all)
    func refusals(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, _ in
            let name = try BucketName("app")
            await #expect { try await buckets.bucket(name) } throws: {
                ($0 as? KeyValueError)?.code == .bucketNotFound
            }
            await #expect { try await buckets.delete(name) } throws: {
                ($0 as? KeyValueError)?.code == .bucketNotFound
            }
            let bucket = try await buckets.create(BucketConfiguration(name: name))
            var other = BucketConfiguration(name: name)
            other.history = 9
            let fixed = other
            await #expect { try await buckets.create(fixed) } throws: {
                ($0 as? KeyValueError)?.code == .bucketExists
            }
            await #expect { try await bucket.put("not legal", []) } throws: {
                ($0 as? KeyValueError)?.code == .invalidKey
            }
            try await buckets.delete(name)
            await #expect { try await bucket.put("k", []) } throws: {
                ($0 as? JetStreamError)?.code == .streamNotFound
            }
        }
    }

    @Test("A setting that the server's version does not know is refused, not dropped", arguments: ServerBinary.all)
    func unknownSettings(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, _ in
            var configuration = BucketConfiguration(name: try BucketName("app"))
            try configuration.set("limit-marker-ttl=1h")
            let fixed = configuration
            if binary.isAtLeast("2.11") {
                let bucket = try await buckets.create(fixed)
                #expect(bucket.configuration.limitMarkerTTL == 3_600_000_000_000)
            } else {
                await #expect { try await buckets.create(fixed) } throws: {
                    ($0 as? KeyValueError)?.code == .unsupported
                }
            }
        }
    }

    @Test("Buckets are listed by name, and nothing else is", arguments: ServerBinary.all)
    func list(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, server in
            for name in ["zoo", "app", "mid"] {
                _ = try await buckets.create(BucketConfiguration(name: try BucketName(name)))
            }
            try await server.withClient { try $0.createStream(#"{"name":"ORDERS","subjects":["orders.>"]}"#) }
            #expect(try await buckets.list().map(\.name.rawValue) == ["app", "mid", "zoo"])
        }
    }
}
