// region
import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient

// end

/// The code of the article.
struct GettingStarted {
    struct Order: Codable, Equatable {
        var customer: String
        var pieces: Int
    }

    /// What the steps came to, for the test.
    private(set) var order: Order?
    private(set) var history: [KVModel.Operation] = []

    static func run(_ url: String, _ useBuckets: @Sendable (Buckets) async throws -> Void) async throws {
        // region
        let configuration = try ConnectionConfiguration(url)
        try await Connection.withConnection(configuration, logger: Logger(label: "example")) { nats in
            try await useBuckets(Buckets(JetStreamContext(nats)))
        }
        // end
    }

    mutating func useBuckets(_ buckets: Buckets) async throws {
        // region
        var configuration = BucketConfiguration(name: try BucketName("orders"))
        configuration.history = 10
        configuration.description = "What was ordered, and how far it is"
        _ = try await buckets.create(configuration)
        let orders = try await buckets.open(try BucketName("orders"))
        // end
        // region
        let revision = try await orders.put("2026.17", "paid")
        if let entry = try await orders.get("2026.17") {
            print(entry.key, entry.string ?? "", entry.revision == revision, entry.created)
        }
        try await orders.put("2026.18", json: Order(customer: "Ada", pieces: 3))
        let order = try await orders.get("2026.18")?.json(Order.self)
        // end
        self.order = order
        // region
        do {
            try await orders.update("2026.17", "shipped", expecting: revision)
        } catch let error as KeyValueError where error.code == .wrongRevision {
            // Somebody was quicker: read again, decide again.
        }
        do {
            try await orders.create("2026.17", "new")
        } catch let error as KeyValueError where error.code == .keyExists {
            // It has a value already.
        }
        // end
        // region
        try await orders.delete("2026.17")
        for entry in try await orders.history(of: "2026.17") {
            print(entry.revision, entry.operation, entry.string ?? "")
        }
        try await orders.revert("2026.17", to: revision)
        try await orders.purge("2026.18")
        try await orders.purgeDeletes(olderThan: .zero)
        // end
        history = try await orders.history(of: "2026.17").map(\.operation)
        // region
        for try await key in orders.keys(matching: [try KeyPattern("2026.*")]) {
            print(key)
        }
        for try await entry in orders.watch([try KeyPattern("2026.*")]).entries {
            print(entry.operation, entry.key)
            if entry.string == "paid" { break }
        }
        // end
    }
}
