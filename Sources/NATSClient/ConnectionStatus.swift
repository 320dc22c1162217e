/// How a connection stands.
public enum ConnectionStatus: Sendable, Hashable {
    /// Made, and not run yet.
    case idle
    /// On the way to its first server.
    case connecting
    /// In use.
    case connected
    /// Lost, and on the way to another one.
    case reconnecting
    /// Takes no more messages and closes once the server has what was sent.
    case draining
    /// At its end.
    case closed
}
