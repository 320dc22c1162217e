public import JetStream
import NATSClient
public import NATSProtocol

/// What a plan needs to know of a server.
public struct ServerFacts: Sendable, Hashable {
    /// Its version.
    public var version: ServerVersion
    /// Whether it is one of a cluster, so that buckets may have replicas.
    public var isClustered: Bool

    /// A server of these properties.
    public init(version: ServerVersion, isClustered: Bool) {
        self.version = version
        self.isClustered = isClustered
    }

    /// The server at the other end of a connection.
    public init(_ context: JetStreamContext) {
        self.init(
            version: context.serverVersion,
            isClustered: context.connection.serverInfo?.cluster?.isEmpty == false
        )
    }
}
