import NATSProtocol
import NIOCore
import NIOPosix
import NIOSOCKS
import NIOSSL

/// Opens the sockets of a connection, directly or through a proxy.
struct Dialer: Sendable {
    /// Large enough that a busy stream arrives in few, long runs.
    private static let receiveBufferSize = 256 << 10

    private let connection: Connection
    private let tls: NIOSSLContext
    private let proxy: ServerAddress?

    init(connection: Connection) throws {
        self.connection = connection
        tls = try connection.configuration.tls.context()
        proxy = try connection.configuration.socksProxy.map(Self.proxyAddress)
    }

    /// Opens a socket to a server; the handshake goes on by itself and ends in the outcome.
    func dial(_ server: ServerAddress, outcome: SessionOutcome) async throws -> any Channel {
        let target = proxy ?? server
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
                        let pipeline = channel.pipeline.syncOperations
                        if proxy != nil {
                            try pipeline.addHandler(
                                SOCKSClientHandler(targetAddress: .domain(server.host, port: server.port))
                            )
                        }
                        try pipeline.addHandler(
                            ConnectionHandler(
                                connection: connection,
                                server: server,
                                outcome: outcome,
                                tls: tls,
                                waitsForProxy: proxy != nil
                            )
                        )
                    }
                }
                .connect(host: target.host, port: target.port)
                .get()
        } catch {
            throw proxy.map { NATSError(proxy: $0, transport: error, server: server) }
                ?? NATSError(transport: error, server: server)
        }
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
            let address = try ServerAddress(String(bare))
            return ServerAddress(host: address.host, port: bare.contains(":") ? address.port : 1080)
        } catch {
            throw NATSError(
                .invalidConfiguration,
                cause: "the proxy address cannot be read: \(error.cause)",
                hint: "Write it as socks5://host:1080."
            )
        }
    }
}
