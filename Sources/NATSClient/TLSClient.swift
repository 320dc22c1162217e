import NATSProtocol
import NIOCore
import NIOSSL
import Synchronization

/// The client's side of TLS, for every connection that a dialer opens.
final class TLSClient: Sendable {
    private let options: TLSOptions
    /// Nil until it is needed: to read the system's authorities takes longer than to connect without TLS.
    private let context: Mutex<NIOSSLContext?>
    private let isProxied: Bool

    /// Files that are given are read at once, whether a server wants them or not: what is wrong with them shows now.
    init(_ options: TLSOptions, isProxied: Bool) throws {
        context = Mutex(options.namesFiles ? try options.context() : nil)
        self.options = options
        self.isProxied = isProxied
    }

    /// The handler that encrypts a connection to a server.
    ///
    /// A certificate's name is checked against a host name, or, without one, against the address that the socket is
    /// connected to: behind a proxy that is the proxy's, which proves nothing.
    func handler(for server: ServerAddress) throws -> NIOSSLClientHandler {
        let name = server.certificateName ?? (server.isNumeric ? nil : server.host)
        if name == nil, isProxied, !options.disablesVerification {
            throw NATSError(
                .tls,
                server: server.description,
                cause: "behind a SOCKS proxy a certificate cannot be checked against a numeric address",
                hint: "Connect by the name that the certificate bears."
            )
        }
        let context = try context.withLock { known in
            let context = try known ?? options.context()
            known = context
            return context
        }
        return try NIOSSLClientHandler(context: context, serverHostname: name)
    }
}
