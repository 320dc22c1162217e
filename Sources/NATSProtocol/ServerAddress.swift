/// Where a server listens: `nats://host:4222`, `tls://user:password@host`, `wss://host/path`, `host:port` or `host`.
///
/// IPv6 addresses stand in brackets: `nats://[::1]:4222`.
public struct ServerAddress: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// What carries the bytes of the protocol.
    public enum Transport: Sendable, Hashable {
        /// A plain stream of bytes (`nats://`, `tls://`).
        case tcp
        /// Frames of a WebSocket (`ws://`, `wss://`).
        case webSocket
    }

    /// The host's name or address, without brackets.
    public let host: String

    /// The port.
    public let port: Int

    /// What carries the bytes.
    public let transport: Transport

    /// The path and query of a WebSocket, beginning with a slash; empty for the root.
    public let path: String

    /// Whether the address itself demands TLS (`tls://`, `wss://`).
    public let requiresTLS: Bool

    /// The user from the address.
    public let user: String?

    /// The password from the address.
    public let password: String?

    /// The token from the address: a user without a password.
    public let token: String?

    /// The name that the certificate must bear if it is not the host: set for discovered addresses.
    public let certificateName: String?

    /// The port of NATS.
    public static let defaultPort = 4222

    /// Makes an address from its parts.
    public init(
        host: String,
        port: Int = ServerAddress.defaultPort,
        transport: Transport = .tcp,
        path: String = "",
        requiresTLS: Bool = false,
        user: String? = nil,
        password: String? = nil,
        token: String? = nil,
        certificateName: String? = nil
    ) {
        self.host = host
        self.port = port
        self.transport = transport
        self.path = path
        self.requiresTLS = requiresTLS
        self.user = user
        self.password = password
        self.token = token
        self.certificateName = certificateName
    }

    /// The address without its secrets: user, password, token and the query of a path.
    public var description: String {
        let scheme =
            switch transport {
            case .tcp: requiresTLS ? "tls" : "nats"
            case .webSocket: requiresTLS ? "wss" : "ws"
            }
        return "\(scheme)://\(endpoint)\(path.prefix { $0 != "?" })"
    }

    /// The address without its secrets.
    public var debugDescription: String { description }

    /// Shows no secrets to `dump` either.
    public var customMirror: Mirror { Mirror(self, children: ["address": description]) }

    /// Host and port.
    public var endpoint: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// What tells one server from another: behind one host and port there may be several, by path.
    var identity: String { endpoint + path }

    /// Whether the host is a numeric address.
    public var isNumeric: Bool {
        host.contains(":") || (host.contains(".") && host.utf8.allSatisfy { $0 == 0x2E || (0x30...0x39).contains($0) })
    }

    /// Refuses servers that are reached by WebSocket beside servers that are not.
    ///
    /// What one of them tells of the others is of use to its own kind alone.
    public static func checkTransports(of addresses: [ServerAddress]) throws(ProtocolError) {
        guard Set(addresses.map(\.transport)).count > 1 else { return }
        throw ProtocolError(
            .invalidServerAddress,
            cause: "some servers are to be reached by WebSocket and others are not",
            hint: "Give all of them as ws:// or wss://, or none."
        )
    }
}
