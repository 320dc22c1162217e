import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient
import NATSProtocol
import TestSupport

extension ServerProcess {
    /// Runs work on the server's buckets over a connection of its own.
    func withBuckets<Result: Sendable>(_ body: @Sendable (Buckets) async throws -> Result) async throws -> Result {
        let configuration = ConnectionConfiguration(servers: try ServerAddress.list(url))
        return try await Connection.withConnection(configuration, logger: Logger(label: "test")) { connection in
            try await body(Buckets(JetStreamContext(connection)))
        }
    }
}
