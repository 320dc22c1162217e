import NATSProtocol
import NIOCore
import NIOPosix
import NIOSOCKS
import NIOSSL

/// Opens the sockets of a connection, directly or through a proxy, and lays out what their bytes pass through.
///
/// From the socket inwards: SOCKS until the proxy has connected, TLS, for a WebSocket its handlers, and the
/// connection's own.
struct Dialer: Sendable {
    /// Large enough that a busy stream arrives in few, long runs.
    private static let receiveBufferSize = 256 << 10

    private let connection: Connection
    private let tls: TLSClient
    private let proxy: ServerAddress?

    init(connection: Connection) throws {
        self.connection = connection
        do {
            try ServerAddress.checkTransports(of: connection.configuration.servers)
        } catch {
            throw NATSError(error)
        }
        let proxy = try connection.configuration.socksProxy.map(Self.proxyAddress)
        tls = try TLSClient(connection.configuration.tls, isProxied: proxy != nil)
        self.proxy = proxy
    }

    /// Opens a socket to a server; the handshake goes on by itself and ends in the outcome.
    ///
    /// Credentials in files are read again for each, so that new ones count from the next connection on.
    func dial(_ server: ServerAddress, outcome: SessionOutcome) async throws -> any Channel {
        let target = proxy ?? server
        let authentication = try connection.configuration.authentication.current()
        do {
            return try await ClientBootstrap(group: connection.eventLoop)
                .connectTimeout(TimeAmount(connection.configuration.connectTimeout))
                .channelOption(.socketOption(.tcp_nodelay), value: 1)
                .channelOption(
                    .recvAllocator,
                    value: FixedSizeRecvByteBufferAllocator(capacity: Self.receiveBufferSize)
                )
                .channelInitializer { [self] channel in
                    channel.eventLoop.makeCompletedFuture {
                        try lay(channel.pipeline.syncOperations, to: server, as: authentication, outcome)
                    }
                }
                .connect(host: target.host, port: target.port)
                .get()
        } catch {
            throw proxy.map { NATSError(proxy: $0, transport: error, server: server) }
                ?? NATSError(transport: error, server: server)
        }
    }

    private func lay(
        _ pipeline: ChannelPipeline.SynchronousOperations,
        to server: ServerAddress,
        as authentication: Authentication,
        _ outcome: SessionOutcome
    ) throws {
        if proxy != nil { try pipeline.addHandler(SOCKSClientHandler(targetAddress: server.socksTarget)) }
        if server.transport == .webSocket {
            let encrypts = connection.configuration.encryptsFirst(for: server)
            try pipeline.addHandler(
                WebSocketUpgrade(server: server, tls: encrypts ? tls : nil, proxied: proxy != nil)
            )
        }
        try pipeline.addHandler(
            ConnectionHandler(
                connection: connection,
                server: server,
                outcome: outcome,
                tls: tls,
                authentication: authentication,
                proxied: proxy != nil
            )
        )
    }

    private static func proxyAddress(_ text: String) throws -> ServerAddress {
        var bare = text[...]
        for scheme in ["socks5://", "socks5h://", "socks://"] where bare.hasPrefix(scheme) {
            bare = bare.dropFirst(scheme.count)
        }
        guard !bare.contains("@") else {
            throw NATSError(
                .invalidConfiguration,
                cause: "a user is given for the SOCKS proxy, which is not supported",
                hint: "Use a proxy that asks for none: socks5://host:1080."
            )
        }
        do {
            return try ServerAddress(String(bare), defaultPort: 1080)
        } catch {
            throw NATSError(
                .invalidConfiguration,
                cause: "the proxy address cannot be read: \(error.cause)",
                hint: "Write it as socks5://host:1080."
            )
        }
    }
}
