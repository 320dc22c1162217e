import JetStream
import KVModel
import TestSupport
import Testing

@testable import KeyValue

@Suite("Service registries")
struct PatternRegistryTests {
    /// A bucket of a kind on a server of its own.
    private func withRegistry(
        _ binary: ServerBinary,
        _ way: Expiring,
        seconds: Int64,
        _ body: @escaping @Sendable (KeyValueBucket, ServiceRegistry, ServerProcess) async throws -> Void
    ) async throws {
        try await withBuckets(binary) { buckets, server in
            let configuration = try way.configuration("services", seconds: seconds)
            let bucket = KeyValueBucket(try await buckets.create(configuration))
            try await body(bucket, try ServiceRegistry(bucket, lease: .seconds(seconds)), server)
        }
    }

    private func inEachWay(
        _ binary: ServerBinary,
        seconds: Int64,
        _ body: @escaping @Sendable (KeyValueBucket, ServiceRegistry, ServerProcess) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup { group in
            for way in Expiring.all(binary) {
                group.addTask { try await withRegistry(binary, way, seconds: seconds, body) }
            }
            try await group.waitForAll()
        }
    }

    @Test("Instances come, are renewed, and vanish with their program", arguments: ServerBinary.all)
    func lifetimes(binary: ServerBinary) async throws {
        try await inEachWay(binary, seconds: 6) { bucket, registry, server in
            let one = try ServiceInstance(service: "web", id: "one", address: "10.0.0.1:80", metadata: ["zone": "a"])
            let two = try ServiceInstance(service: "web", id: "two", address: "10.0.0.2:80")
            let other = try ServiceInstance(service: "web.admin", id: "one", address: "10.0.0.3:80")
            #expect(try await registry.instances(of: "web").isEmpty)
            let seen = Collected<Set<ServiceInstance>>()
            try await withThrowingTaskGroup { group in
                group.addTask { for try await set in registry.changes(of: "web") { seen.add(set) } }
                try await eventually("the empty set") { seen.all == [[]] }
                let registration = try await registry.register(one)
                #expect(registration.isRegistered)
                let running = Task { try await registration.run() }
                _ = try await registry.register(other)
                try await eventually("one") { seen.last == [one] }
                // What is no instance is passed over.
                try await bucket.put("web.three", "not JSON")
                #expect(try await registry.instances(of: "web") == [one])
                #expect(try await registry.instances(of: "web.admin") == [other])

                // The program of the other one dies.
                try await withBucket(bucket.name, through: server) { lonely, proxy in
                    let lost = try await ServiceRegistry(lonely, lease: .seconds(6)).register(two)
                    let dying = Task { try await lost.run() }
                    try await eventually("both") { seen.last == [one, two] }
                    #expect(try await registry.instances(of: "web") == [one, two])
                    proxy.block()
                    proxy.cut()
                    try await eventually("one alone") { seen.last == [one] }
                    #expect(!lost.isRegistered)
                    dying.cancel()
                    try await dying.value
                }
                #expect(try await registry.instances(of: "web") == [one])
                #expect(registration.isRegistered)
                #expect(seen.all == [[], [one], [one, two], [one]])
                running.cancel()
                try await running.value
                try await eventually("none") { seen.last == [] }
                #expect(!registration.isRegistered)
                #expect(try await registry.instances(of: "web").isEmpty)
                group.cancelAll()
                while let result = await group.nextResult() {
                    if case .failure(let error) = result, !(error is CancellationError) { throw error }
                }
            }
            try await eventually("no consumers") {
                try await server.withClient { try $0.consumers(of: bucket.name.streamName) } == 0
            }
        }
    }

    @Test("An instance that expired while its server was away comes back", .serialized, arguments: ServerBinary.all)
    func comingBack(binary: ServerBinary) async throws {
        try await withRegistry(binary, .bucket, seconds: 3) { bucket, registry, server in
            let one = try ServiceInstance(service: "web", id: "one", address: "a")
            let registration = try await registry.register(one)
            let running = Task { try await registration.run() }
            let before = try #require(try await bucket.latest(one.key, consistency: .leader)).revision
            server.pause()
            try await eventually("its end") { !registration.isRegistered }
            try await eventually("its failure") { registration.failure != nil }
            server.resume()
            try await eventually("its return") { registration.isRegistered }
            #expect(registration.failure == nil)
            #expect(try await registry.instances(of: "web") == [one])
            // Deleted by hand it comes back as well.
            let marker = try await bucket.delete(one.key)
            #expect(marker > before)
            try await eventually("its return") { try await registry.instances(of: "web") == [one] }
            running.cancel()
            try await running.value
            #expect(try await registry.instances(of: "web").isEmpty)
        }
    }

    @Test("Of two programs with one id the later one stands")
    func replacement() async throws {
        try await inEachWay(try .newest, seconds: 6) { bucket, registry, _ in
            let old = try ServiceInstance(service: "web", id: "one", address: "old")
            let new = try ServiceInstance(service: "web", id: "one", address: "new")
            let first = try await registry.register(old)
            let running = Task { try await first.run() }
            let second = try await registry.register(new)
            await expect(.wrongRevision) { try await running.value }
            #expect(!first.isRegistered)
            try await first.deregister()
            #expect(try await registry.instances(of: "web") == [new])
            try await second.deregister()
            #expect(try await registry.instances(of: "web").isEmpty)
            // And it is over for good.
            try await second.run()
            #expect(try await bucket.get(new.key, consistency: .leader) == nil)
        }
    }

    @Test("An answer that was lost does not make an instance twice, or leave it behind")
    func lostAnswers() async throws {
        try await inEachWay(try .newest, seconds: 60) { bucket, _, server in
            try await withBucket(bucket.name, through: server) { distant, proxy in
                let registry = try ServiceRegistry(distant, lease: .seconds(60))
                let one = try ServiceInstance(service: "web", id: "one", address: "a")
                // The question for what is there, and then the entry itself.
                proxy.plan(.cut, at: proxy.count.toServer + 1, proxy.count.toServer + 400, in: \.toServer)
                let registration = try await registry.register(one)
                try await eventually("both faults") {
                    if proxy.faults < 2 { _ = try await distant.get("other") }
                    return proxy.faults == 2
                }
                #expect(registration.isRegistered)
                #expect(try await bucket.get(one.key, consistency: .leader) != nil)
                try await registration.deregister()
                #expect(try await bucket.get(one.key, consistency: .leader) == nil)
            }
        }
    }

    @Test("A registry without a bucket ends its registrations and readers")
    func deletedBucket() async throws {
        try await withRegistry(try .newest, .entries, seconds: 1) { bucket, registry, _ in
            let registration = try await registry.register(ServiceInstance(service: "web", address: "a"))
            let running = Task { try await registration.run() }
            let reading = Task { for try await _ in registry.changes(of: "web") {} }
            try await Buckets(bucket.bucket.context).delete(bucket.name)
            await expect(.bucketNotFound) { try await running.value }
            #expect(!registration.isRegistered)
            await #expect(throws: (any Error).self) { try await reading.value }
            await expect(.invalidKey) { _ = try await registry.instances(of: "no service") }
        }
    }
}
