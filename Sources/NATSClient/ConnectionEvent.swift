/// What happens to a connection, for those who want to show it.
public enum ConnectionEvent: Sendable, Equatable {
    /// A server has accepted us.
    case connected(server: String)
    /// The connection in use was lost.
    case disconnected(reason: String)
    /// A server is dialled after the connection was lost.
    case reconnecting(server: String)
    /// The server in use is about to shut down.
    case lameDuck(server: String)
    /// The server complains, in these words, and stays.
    case serverError(String)
    /// It is over: nothing follows.
    case closed
}
