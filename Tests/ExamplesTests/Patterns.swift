import KVModel
import KeyValue

/// The code of the article.
enum Patterns {
    static func count(_ bucket: KeyValueBucket) async throws -> Int64 {
        // region
        let visitors = AtomicCounter(bucket, key: "visitors")
        try await visitors.add(3)
        let total = try await visitors.add()
        // end
        return total
    }

    static func lock(_ bucket: KeyValueBucket, _ write: @escaping @Sendable (Revision) -> Void) async throws {
        // region
        let nightly = try DistributedLock(bucket, key: "locks.nightly", lease: .seconds(15))
        try await nightly.withLock(timeout: .seconds(60)) { lease in
            write(lease.token)
        }
        // end
    }

    static func follow(_ bucket: KeyValueBucket) async throws -> Bool {
        let isDark: Bool
        // region
        let dark = FeatureFlag("flags.dark-mode", default: false)
        let flags = FeatureFlags(bucket, matching: [try KeyPattern("flags.>")])
        let following = Task { try await flags.run() }
        try await flags.waitUntilCurrent()
        isDark = flags[dark]
        // end
        following.cancel()
        return isDark
    }

    static func register(_ bucket: KeyValueBucket) async throws -> [String] {
        // region
        let registry = try ServiceRegistry(bucket, lease: .seconds(15))
        let instance = try ServiceInstance(service: "billing", address: "10.0.0.7:8080")
        let registration = try await registry.register(instance)
        let renewing = Task { try await registration.run() }
        let addresses = try await registry.instances(of: "billing").map(\.address)
        // end
        renewing.cancel()
        try await registration.deregister()
        return addresses
    }

    static func once(_ bucket: KeyValueBucket) async throws {
        // region
        do {
            try await bucket.create("nightly.2026-11-22", "host-1")
            print("this host does it")
        } catch let error as KeyValueError where error.code == .keyExists {
            print("another host does it")
        }
        // end
    }
}
