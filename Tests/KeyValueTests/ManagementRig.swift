import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient
import NATSProtocol
import TestSupport
import Testing

/// The shared server of a version, and a name that no other test uses.
struct ManagementRig: Sendable {
    let binary: ServerBinary
    let buckets: Buckets
    let name: BucketName

    var context: JetStreamContext { buckets.context }

    static func run(
        _ binary: ServerBinary,
        _ body: @Sendable (ManagementRig) async throws -> Void
    ) async throws {
        let server = try await SharedServers.server(binary)
        try await withBuckets(at: server.url) { buckets in
            try await body(ManagementRig(binary: binary, buckets: buckets, name: try ConformanceRig.newName()))
        }
    }

    /// A configuration of the rig's bucket.
    func configuration(_ change: (inout BucketConfiguration) throws -> Void = { _ in }) rethrows -> BucketConfiguration
    {
        var configuration = BucketConfiguration(name: name)
        try change(&configuration)
        return configuration
    }

    /// Creates the rig's bucket.
    func create(_ change: (inout BucketConfiguration) throws -> Void = { _ in }) async throws -> Bucket {
        try await buckets.create(try configuration(change))
    }

    /// Another name that begins with the rig's.
    func other(_ suffix: String) throws -> BucketName {
        try BucketName("\(name)-\(suffix)")
    }
}

extension Buckets {
    /// A bucket of some keys, each with its name as value.
    @discardableResult
    func filled(_ name: BucketName, _ keys: [Key]) async throws -> KeyValueBucket {
        let bucket = KeyValueBucket(try await create(BucketConfiguration(name: name)))
        for key in keys { try await bucket.put(key, key.description) }
        return bucket
    }

    /// The keys that a bucket holds in the end, once it holds so many.
    func keys(_ name: BucketName, count: Int) async throws -> [String] {
        let bucket = try await open(name)
        try await eventually("\(count) keys in \(name)", timeout: .seconds(30)) {
            try await bucket.status().values >= count
        }
        var keys: [String] = []
        for try await key in bucket.keys() { keys.append(key.description) }
        return keys.sorted()
    }
}

/// Runs `body` with the buckets of a domain, over a connection to a server.
func withBuckets(
    at url: String,
    domain: String,
    _ body: @Sendable (Buckets) async throws -> Void
) async throws {
    let configuration = ConnectionConfiguration(servers: try ServerAddress.list(url))
    try await Connection.withConnection(configuration, logger: Logger(label: "test")) { connection in
        try await body(Buckets(JetStreamContext(connection, domain: domain)))
    }
}
