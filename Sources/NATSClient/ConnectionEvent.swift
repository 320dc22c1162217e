/// What happens to a connection, for those who want to show it.
///
/// Servers are written as addresses without secrets.
public enum ConnectionEvent: Sendable, Equatable {
    /// A server is dialled, and there was no connection before.
    case connecting(server: String)
    /// A server takes us.
    case connected(server: String)
    /// A server could not be reached or did not take us; others, or the same one later, are tried.
    case connectFailed(server: String, reason: String)
    /// The connection in use was lost.
    case disconnected(reason: String)
    /// A server is dialled to replace a connection that was lost.
    case reconnecting(server: String)
    /// The server told of servers (host and port) that were not known before.
    case discovered(servers: [String])
    /// The server in use will shut down; another one is looked for.
    case lameDuck(server: String)
    /// The server complains and stays.
    case serverError(String)
    /// No more messages are taken, and the connection closes once the server has what was sent.
    case draining
    /// The end, asked for or not.
    case closed
}
