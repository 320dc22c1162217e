public import NATSProtocol

/// Everything that a connection needs to know.
public struct ConnectionConfiguration: Sendable {
    /// The servers to choose from: all of them by WebSocket, or none.
    public var servers: [ServerAddress]

    /// The name that the server's monitoring shows.
    public var name: String?

    /// The version of the program, told to the server.
    public var clientVersion = "0.1.0"

    /// Who we are; credentials in an address are used where this is none.
    public var authentication = Authentication.none

    /// How to encrypt.
    public var tls = TLSOptions()

    /// What inboxes begin with.
    public var inboxPrefix = "_INBOX"

    /// The time for reaching one server, and again for its handshake.
    public var connectTimeout = Duration.seconds(5)

    /// The time for an answer, where a request does not name its own.
    public var requestTimeout = Duration.seconds(5)

    /// The time between two pings.
    public var pingInterval = Duration.seconds(30)

    /// So many silent intervals, and the connection counts as dead.
    public var maximumPingsOutstanding = 2

    /// How to come back.
    public var reconnect = ReconnectPolicy()

    /// A SOCKS5 proxy that asks for no user: host:port or socks5://host:port, IPv6 addresses in brackets.
    public var socksProxy: String?

    /// Whether our own messages are kept from our own subscriptions.
    public var noEcho = false

    /// Bytes that may wait to be written before a publisher is made to wait.
    public var writeLimit = 4 << 20

    /// Makes a configuration for some servers.
    public init(servers: [ServerAddress]) {
        self.servers = servers
    }

    /// Makes a configuration from a list of addresses with commas between them.
    public init(_ servers: String) throws {
        do {
            self.init(servers: try ServerAddress.list(servers))
        } catch {
            throw NATSError(error)
        }
    }

    func security(for server: ServerAddress) -> ConnectionMachine.Security {
        guard server.transport == .tcp else { return .transport }
        return switch tls.mode {
        case .automatic: server.requiresTLS ? .required : .automatic
        case .required: .required
        case .first: .first
        }
    }

    /// Whether TLS comes before everything else; for a WebSocket there is no other time.
    func encryptsFirst(for server: ServerAddress) -> Bool {
        switch server.transport {
        case .tcp: tls.mode == .first
        case .webSocket: server.requiresTLS || tls.mode != .automatic
        }
    }

    /// The CONNECT of this configuration, for a server that gave a nonce or none.
    func connectOptions(
        for server: ServerAddress,
        as authentication: Authentication,
        nonce: String?,
        encrypted: Bool
    ) throws -> ConnectOptions {
        var options = ConnectOptions(version: clientVersion)
        options.name = name
        options.tlsRequired = encrypted
        options.echo = !noEcho
        options.token = authentication.additionalToken
        switch authentication.method {
        case .none:
            options.user = server.user
            options.password = server.password
            options.token = server.token
        case .userPassword(let user, let password):
            options.user = user
            options.password = password
        case .token(let token):
            options.token = token
        case .nkey(let seed):
            options.nkey = seed.publicKey
            options.signature = try nonce.map { try seed.signature(of: $0) }
        case .credentials(let jwt, let seed):
            options.jwt = jwt
            if let seed, let nonce { options.signature = try seed.signature(of: nonce) }
        }
        return options
    }
}
