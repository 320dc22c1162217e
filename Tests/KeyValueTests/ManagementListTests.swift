import JetStream
import KVModel
import KeyValue
import NATSProtocol
import TestSupport
import Testing

/// Lists of buckets, where there are many of them and of other streams.
@Suite("Lists of buckets")
struct ManagementListTests {
    @Test("8.23 the names of all buckets, and of nothing else", arguments: ServerBinary.all)
    func names(binary: ServerBinary) async throws {
        try await Self.run(binary, buckets: 20) { buckets in
            var names: [BucketName] = []
            for try await name in buckets.names() { names.append(name) }
            #expect(Set(names) == Set(try Self.names(20) + [BucketName("mirror")]))
            #expect(names.count == 21)
        }
    }

    @Test("8.24 the statuses of all buckets, mirrors included, over several pages", arguments: ServerBinary.all)
    func statuses(binary: ServerBinary) async throws {
        try await Self.run(binary, buckets: 300) { buckets in
            var statuses: [BucketStatus] = []
            for try await status in buckets.statuses() { statuses.append(status) }
            #expect(Set(statuses.map(\.bucket)) == Set(try Self.names(300) + [BucketName("mirror")]))
            #expect(statuses.count == 301)
            #expect(statuses.allSatisfy { $0.history == 1 })
        }
    }

    @Test("8.113 names are asked for page by page, as they are read")
    func lazy() async throws {
        try await Self.run(try ServerBinary.newest, buckets: 1100) { buckets in
            var iterator = buckets.names().makeAsyncIterator()
            var names: Set<BucketName> = []
            // A server's page holds 1,024 streams, in the order of their names.
            while names.count < 1000, let name = try await iterator.next() { names.insert(name) }
            let late = try await buckets.create(BucketConfiguration(name: try BucketName("zzz")))
            while let name = try await iterator.next() { names.insert(name) }
            #expect(names.count == 1102)
            #expect(names.contains(late.name), "the last page was asked for before it was wanted")
        }
    }

    private static func names(_ count: Int) throws -> [BucketName] {
        try (0..<count).map { try BucketName("b\($0)") }
    }

    /// Runs `body` on a server with so many buckets, a mirror, and streams that are no buckets.
    private static func run(
        _ binary: ServerBinary,
        buckets count: Int,
        _ body: @Sendable (Buckets) async throws -> Void
    ) async throws {
        try await withBuckets(binary) { buckets, _ in
            let all = try names(count)
            try await withThrowingTaskGroup(of: Void.self) { group in
                // All at once, the last would wait for longer than a request may.
                for (index, name) in all.enumerated() {
                    if index >= 50 { try await group.next() }
                    group.addTask {
                        var configuration = BucketConfiguration(name: name)
                        configuration.storageType = .memory
                        _ = try await buckets.context.createStream(configuration.stream)
                    }
                }
                try await group.waitForAll()
            }
            for (name, subject) in [("ORDERS", "orders.>"), ("KVX", "y"), ("KV_ä", "z")] {
                _ = try await buckets.context.createStream(["name": .string(name), "subjects": [.string(subject)]])
            }
            var mirror = BucketConfiguration(name: try BucketName("mirror"))
            mirror.mirror = BucketOrigin(try BucketName("b0"))
            _ = try await buckets.create(mirror)
            try await body(buckets)
        }
    }
}
