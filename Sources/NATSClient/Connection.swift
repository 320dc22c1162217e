public import Logging
public import NATSProtocol
import NIOCore
import NIOPosix
import Synchronization

/// One connection to a NATS system, kept alive over the loss of servers.
///
/// `NATSClient` puts sockets, TLS, credentials and time round the machines of `NATSProtocol`: it executes what they
/// decide and hands what arrives to subscriptions and requests. It never interprets a payload, never drops a message
/// and never resends one: a publisher compares ``epoch`` to know whether what it sent may be lost. Start reading
/// here; `Connection+Run` keeps the connection, `ConnectionHandler` is its end on the event loop, `Subscription` the
/// queue with back-pressure.
///
/// ```swift
/// try await Connection.withConnection(try ConnectionConfiguration("nats://127.0.0.1:4222"), logger: logger) { nats in
///     let reply = try await nats.request("$JS.API.INFO")
/// }
/// ```
public final class Connection: Sendable {
    /// What it was made with.
    public let configuration: ConnectionConfiguration

    /// Where it says what happens to it.
    package let logger: Logger
    /// For requests that cost a server much: it works them off one by one, and their time runs meanwhile.
    package let heavyRequests = Lane(width: 32)
    let eventLoop: any EventLoop
    let state: Mutex<ConnectionState>
    /// What the inboxes of this connection begin with, up to and including the last dot.
    let inboxBase: String
    /// What the reply subjects of requests begin with.
    let replyBase: String

    /// Makes a connection that does nothing until it is run.
    public init(_ configuration: ConnectionConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
        eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        state = Mutex(
            ConnectionState(pool: ServerPool(servers: configuration.servers, policy: configuration.reconnect))
        )
        inboxBase = "\(configuration.inboxPrefix).\(Self.randomToken())."
        replyBase = inboxBase + "r."
    }

    /// Runs a connection for as long as the body takes; fails if no server takes us.
    public static func withConnection<Result>(
        _ configuration: ConnectionConfiguration,
        logger: Logger,
        isolation: isolated (any Actor)? = #isolation,
        _ body: (Connection) async throws -> Result
    ) async throws -> Result {
        let connection = Connection(configuration, logger: logger)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await connection.run() }
            do {
                try await connection.connect()
                let result = try await body(connection)
                await connection.close()
                return result
            } catch {
                await connection.close()
                throw error
            }
        }
    }

    /// What the server last said about itself.
    public var serverInfo: ServerInfo? { state.withLock { $0.session?.info ?? $0.lastInfo } }

    /// The number of connections established so far.
    public var epoch: Int { state.withLock { $0.epoch } }

    /// Whether there is a connection now.
    public var isConnected: Bool { state.withLock { $0.session != nil } }

    /// A subject for answers that nobody else has.
    public func newInbox() -> String { inboxBase + Self.randomToken() }

    func after(_ duration: Duration, _ body: @escaping @Sendable () -> Void) -> Scheduled<Void> {
        eventLoop.scheduleTask(in: TimeAmount(duration), body)
    }

    static func randomToken() -> String {
        let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        return String(decoding: (0..<22).map { _ in alphabet[Int.random(in: 0..<alphabet.count)] }, as: UTF8.self)
    }
}
