import Foundation
import NATSProtocol
import NIOCore
import NIOPosix
import NIOSOCKS
import NIOSSL

extension NATSError {
    static let closed = NATSError(.closed, cause: "the connection was closed")

    static func disconnected(_ server: String? = nil) -> NATSError {
        NATSError(
            .disconnected,
            server: server,
            cause: "there is no connection to the server at the moment",
            hint: "The connection is being restored: send it again once it is."
        )
    }

    init(_ error: ProtocolError, subject: String? = nil) {
        let code: Code =
            switch error.code {
            case .invalidSubject: .invalidSubject
            case .invalidHeader: .invalidHeader
            case .invalidServerAddress: .invalidConfiguration
            case .malformedFrame, .controlLineTooLong, .messageTooLarge: .protocolViolation
            }
        self.init(code, subject: subject, cause: error.cause, hint: error.hint)
    }

    init(_ failure: ConnectionMachine.Failure, server: ServerAddress) {
        let name = server.description
        switch failure {
        case .server(let fault, let text): self.init(fault, text: text, server: name)
        case .protocolViolation(let error): self = NATSError(error).with(server: name)
        case .tlsNotOffered:
            self.init(
                .tls,
                server: name,
                cause: "TLS is demanded, and the server does not offer it",
                hint: "Enable TLS on the server, or use a nats:// address without the TLS options."
            )
        case .noInfo:
            self.init(
                .unreachable,
                server: name,
                cause: "the server accepted the connection and said nothing, or closed it",
                hint: server.transport == .tcp
                    ? "If it is set to handshake_first, turn on TLS first; otherwise check that this is a NATS port."
                    : "Check that this is a port for WebSockets, and use wss:// if it demands TLS."
            )
        case .noAnswerToConnect:
            self.init(.timeout, server: name, cause: "the server did not answer CONNECT in time")
        case .staleConnection:
            self.init(.staleConnection, server: name, cause: "the server has stopped answering pings")
        case .closedByServer(let reason):
            self.init(
                .disconnected,
                server: name,
                cause: "the connection was lost" + (reason.map { ": \($0)" } ?? "")
            )
        case .left: self.init(.disconnected, server: name, cause: "the connection was left")
        }
    }

    init(_ fault: ServerFault, text: String, server: String) {
        let cause = "the server said '\(text)'"
        switch fault {
        case .authorizationViolation:
            self.init(
                .authorization,
                server: server,
                cause: "the server refuses the credentials",
                hint: "Check user, password, token, nkey or credentials file."
            )
        case .authenticationTimeout:
            self.init(.authenticationTimeout, server: server, cause: "authentication took the server too long")
        case .authenticationExpired:
            self.init(
                .authenticationExpired,
                server: server,
                cause: "the credentials have expired or were revoked",
                hint: "Get a new credentials file."
            )
        case .staleConnection: self.init(.staleConnection, server: server, cause: cause)
        case .maximumConnections:
            self.init(
                .maximumConnections,
                server: server,
                cause: "the server takes no more connections",
                hint: "Close others, or raise max_connections or the account's limit."
            )
        case .maximumPayload: self.init(.maximumPayload(limit: 0), server: server, cause: cause)
        case .tlsRequired: self.init(.tls, server: server, cause: "the server demands TLS", hint: "Use tls://.")
        case .publishPermission(let subject):
            self.init(
                .permissions(subject: subject),
                server: server,
                subject: subject,
                cause: "the user may not publish to this subject",
                hint: "Give the user permission to publish to it."
            )
        case .subscriptionPermission(let subject, _):
            self.init(
                .permissions(subject: subject),
                server: server,
                subject: subject,
                cause: "the user may not subscribe to this subject",
                hint: "Give the user permission, or set an inbox prefix that it may use."
            )
        case .invalidSubject, .invalidPublishSubject: self.init(.invalidSubject, server: server, cause: cause)
        case .controlLineExceeded, .unknownOperation: self.init(.protocolViolation, server: server, cause: cause)
        case .other: self.init(.serverError, server: server, cause: cause)
        }
    }

    /// What a failed connect or a failed channel means.
    init(transport error: any Error, server: ServerAddress) {
        let name = server.description
        switch error {
        case let error as NATSError: self = error.with(server: name)
        case let error as NIOConnectionError:
            self.init(connect: error, server: name)
        case ChannelError.connectTimeout:
            self.init(.unreachable, server: name, cause: "the server did not accept the connection in time")
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError:
            self.init(tls: error, server: server)
        case let error as SOCKSError.ConnectionFailed:
            self.init(.proxy, server: name, cause: "the SOCKS proxy \(Self.refusal(error.reply))")
        case is SOCKSError.InvalidAuthenticationSelection, is SOCKSError.NoValidAuthenticationMethod:
            self.init(
                .proxy,
                server: name,
                cause: "the SOCKS proxy asks for a user and a password, which is not supported",
                hint: "Use a proxy that asks for none."
            )
        case is SOCKSError.InvalidProtocolVersion, is SOCKSError.InvalidReservedByte, is SOCKSError.UnexpectedRead,
            is SOCKSError.InvalidAddressType, is SOCKSError.InvalidClientState:
            self.init(.proxy, server: name, cause: "what answers as SOCKS proxy does not speak SOCKS5")
        default:
            self.init(.disconnected, server: name, cause: "the connection failed: \(error)")
        }
    }

    /// What a connect to a proxy that failed means.
    init(proxy: ServerAddress, transport error: any Error, server: ServerAddress) {
        let failure = NATSError(transport: error, server: server)
        switch failure.code {
        case .connectionRefused, .unreachable, .resolve:
            self.init(
                .proxy,
                server: server.description,
                cause: "the SOCKS proxy does not answer: \(failure.cause)",
                hint: "Check the proxy's address, and that it runs."
            )
        default: self = failure
        }
    }

    /// What a proxy says (RFC 1928, section 6).
    private static func refusal(_ reply: SOCKSServerReply) -> String {
        switch reply {
        case .notAllowed: "does not allow the connection"
        case .networkUnreachable: "cannot reach the server's network"
        case .hostUnreachable, .ttlExpired: "cannot reach the server"
        case .refused: "found nothing that listens there"
        default: "could not connect (reply \(reply.value))"
        }
    }

    private init(connect error: NIOConnectionError, server: String) {
        let failures = error.connectionErrors.map(\.error)
        if failures.isEmpty {
            self.init(
                .resolve,
                server: server,
                cause: "the host name \(error.host) cannot be resolved",
                hint: "Check the spelling and the name service."
            )
        } else if failures.contains(where: { ($0 as? IOError)?.errnoCode == ECONNREFUSED }) {
            self.init(
                .connectionRefused,
                server: server,
                cause: "nothing listens on \(error.host):\(error.port)",
                hint: "Check the address, and that the server runs."
            )
        } else {
            let reasons = failures.map { "\($0)" }.joined(separator: ", ")
            self.init(.unreachable, server: server, cause: "\(error.host) cannot be reached: \(reasons)")
        }
    }

    private init(tls error: any Error, server: ServerAddress) {
        let text = "\(error)"
        let upper = text.uppercased()
        let hint: String? =
            if upper.contains("CERTIFICATE_VERIFY_FAILED") || upper.contains("UNABLE TO GET")
                || upper.contains("SELF_SIGNED")
            {
                "The server's certificate is not trusted: name the CA file that issued it."
            } else if upper.contains("FAILEDTOVALIDATEHOSTNAME") || upper.contains("FAILED TO VALIDATE HOSTNAME")
                || upper.contains("VALIDATE")
            {
                "The certificate is for another host: connect by the name that it bears."
            } else if upper.contains("WRONG_VERSION_NUMBER") {
                server.transport == .tcp
                    ? "The server speaks before TLS begins: turn off TLS first."
                    : "What answers there does not speak TLS: use ws:// without the TLS options, or check the port."
            } else if upper.contains("CERTIFICATE_REQUIRED") || upper.contains("BAD_CERTIFICATE")
                || upper.contains("HANDSHAKE_FAILURE") || upper.contains("UNKNOWN_CA")
            {
                "The server demands a client certificate that it trusts: give certificate and key."
            } else {
                nil
            }
        self.init(.tls, server: server.description, cause: "TLS failed: \(text)", hint: hint)
    }
}
