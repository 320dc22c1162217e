/// What happens to a connection, for those who want to show it.
public enum ConnectionEvent: Sendable, Equatable {
    case connected(server: String)
    case disconnected(reason: String)
    case reconnecting(server: String)
    case lameDuck(server: String)
    case serverError(String)
    case closed
}
