import JetStream
import KeyValue
import NATSClient

extension Buckets {
    /// Works on a connection that is open: this one, or a new one like it.
    func onOpenConnection<Result: Sendable>(_ body: @Sendable (Buckets) async throws -> Result) async throws -> Result {
        guard !context.connection.isConnected else { return try await body(self) }
        let (configuration, logger) = (context.connection.configuration, context.connection.logger)
        return try await Connection.withConnection(configuration, logger: logger) { connection in
            try await body(
                Buckets(JetStreamContext(connection, apiPrefix: context.apiPrefix, timeout: context.timeout))
            )
        }
    }
}
