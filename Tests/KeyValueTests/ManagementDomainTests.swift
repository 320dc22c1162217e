import JetStream
import KVModel
import KeyValue
import NATSProtocol
import TestSupport
import Testing

/// Buckets of another JetStream domain, seen from a leaf node.
@Suite("Buckets across domains")
struct ManagementDomainTests {
    @Test("8.27 a bucket of another domain is managed, written, read and watched", arguments: ServerBinary.all)
    func domain(binary: ServerBinary) async throws {
        let domains = try await LeafAndHub(binary)
        defer { domains.close() }
        let name = try BucketName("app")
        try await withBuckets(at: domains.leaf.url, domain: "hub") { hub in
            try await eventually("the hub's JetStream", timeout: .seconds(20)) { try await Self.answers(hub) }
            let bucket = try await hub.filled(name, ["a.b"])
            #expect(try await bucket.get("a.b")?.string == "a.b")
            try await bucket.update("a.b", "2", expecting: 1)
            var seen: [String] = []
            for try await event in bucket.watch([try KeyPattern("a.*")]) {
                if case .entry(let entry) = event { seen.append("\(entry.key)=\(entry.string ?? "")") }
                if case .endOfInitialData = event { break }
            }
            #expect(seen == ["a.b=2"])
            var names: [BucketName] = []
            for try await name in hub.names() { names.append(name) }
            #expect(names == [name])
        }
        try await withBuckets(at: domains.leaf.url) { leaf in
            #expect(try await leaf.list().isEmpty)
            // Older leaf nodes get nothing of a mirror in the hub's domain.
            guard binary.isAtLeast("2.11") else { return }
            try await Self.mirror(name, leaf)
            try await Self.source(name, leaf)
            try await leaf.delete(try BucketName("copy"))
        }
        try await withBuckets(at: domains.hub.url) { hub in
            let entry = try await hub.open(name).get("a.b")
            #expect(entry?.revision == 2)
        }
    }

    /// 57.95: a mirror of a bucket in another domain.
    private static func mirror(_ name: BucketName, _ buckets: Buckets) async throws {
        var configuration = BucketConfiguration(name: try BucketName("copy"))
        configuration.mirror = BucketOrigin(name, domain: "hub")
        _ = try await buckets.create(configuration)
        #expect(try await buckets.keys(BucketName("copy"), count: 1) == ["a.b"])
        let status = try await buckets.open(BucketName("copy")).status()
        #expect(status.mirror?.externalAPI == "$JS.hub.API")
        #expect(status.configuration.mirror?.domain == "hub")
    }

    /// 57.98: the bucket of the same name in another domain.
    private static func source(_ name: BucketName, _ buckets: Buckets) async throws {
        var configuration = BucketConfiguration(name: name)
        configuration.sources = [BucketOrigin(name, domain: "hub")]
        let bucket = try await buckets.create(configuration)
        #expect(bucket.info.configuration["sources"]?.array?.first?["subject_transforms"] == nil)
        #expect(try await buckets.keys(name, count: 1) == ["a.b"])
        try await buckets.delete(name)
    }

    @Test("48.85 what counts is the API level of who keeps the bucket, not who is connected to")
    func levels() async throws {
        let (old, new) = (try ServerBinary.named("2.10.26"), try ServerBinary.newest)
        for (leaf, hub) in [(old, new), (new, old)] {
            let domains = try await LeafAndHub(leaf, hub: hub)
            defer { domains.close() }
            try await withBuckets(at: domains.leaf.url, domain: "hub") { buckets in
                try await eventually("the hub's JetStream", timeout: .seconds(20)) { try await Self.answers(buckets) }
                var configuration = BucketConfiguration(name: try BucketName("app"))
                configuration.limitMarkerTimeToLive = .seconds(60)
                let fixed = configuration
                if hub == new {
                    #expect(try await buckets.create(fixed).configuration.limitMarkerTimeToLive == .seconds(60))
                } else {
                    await expect(.unsupported) { _ = try await buckets.create(fixed) }
                }
            }
        }
    }

    private static func answers(_ buckets: Buckets) async throws -> Bool {
        do {
            _ = try await buckets.context.accountInformation()
            return true
        } catch let error as JetStreamError where error.code == .unavailable {
            return false
        }
    }
}
