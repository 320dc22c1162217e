import NATSProtocol
import NIOCore
import NIOSSL

/// The client's side of TLS, for every connection that a dialer opens.
struct TLSClient: Sendable {
    private let context: NIOSSLContext
    private let isVerifying: Bool
    private let isProxied: Bool

    init(_ options: TLSOptions, isProxied: Bool) throws {
        context = try options.context()
        isVerifying = !options.disablesVerification
        self.isProxied = isProxied
    }

    /// The handler that encrypts a connection to a server.
    ///
    /// A certificate's name is checked against a host name, or, without one, against the address that the socket is
    /// connected to: behind a proxy that is the proxy's, which proves nothing.
    func handler(for server: ServerAddress) throws -> NIOSSLClientHandler {
        let name = server.certificateName ?? (server.isNumeric ? nil : server.host)
        if name == nil, isProxied, isVerifying {
            throw NATSError(
                .tls,
                server: server.description,
                cause: "behind a SOCKS proxy a certificate cannot be checked against a numeric address",
                hint: "Connect by the name that the certificate bears."
            )
        }
        return try NIOSSLClientHandler(context: context, serverHostname: name)
    }
}
