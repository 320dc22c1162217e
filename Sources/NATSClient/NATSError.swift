/// Why something with the server did not work, on what, and what to do about it.
public struct NATSError: Error, Sendable, CustomStringConvertible {
    /// What went wrong.
    public enum Code: Sendable, Hashable {
        /// Nobody listens at the address.
        case connectionRefused
        /// The server cannot be reached, or says nothing.
        case unreachable
        /// The host name has no address.
        case resolve
        /// The SOCKS proxy refused, or cannot be reached.
        case proxy
        /// The server refuses the credentials, or there are none and it wants some.
        case authorization
        /// The server did not get credentials in the time that it allows.
        case authenticationTimeout
        /// The credentials have expired or were revoked.
        case authenticationExpired
        /// Encryption could not be set up, or one side insists on it and the other has none.
        case tls
        /// What the server sent is not the NATS protocol.
        case protocolViolation
        /// The message is larger than the server takes: `limit` bytes.
        case maximumPayload(limit: Int)
        /// The server, or the account, has as many connections as it allows.
        case maximumConnections
        /// The user must not publish or subscribe to the subject.
        case permissions(subject: String)
        /// Nobody listens on the subject of the request.
        case noResponders
        /// No answer came in time.
        case timeout
        /// The connection was lost, or there is none at the moment.
        case disconnected
        /// The connection was closed by this side.
        case closed
        /// The subject is not one that can be used here.
        case invalidSubject
        /// A header has an illegal name or value.
        case invalidHeader
        /// What the connection was told to do makes no sense.
        case invalidConfiguration
        /// The server has stopped answering pings.
        case staleConnection
        /// Another complaint of the server.
        case serverError
    }

    /// What went wrong.
    public let code: Code

    /// The server's address, without secrets.
    public let server: String?

    /// The subject of a publish, request or subscription.
    public let subject: String?

    /// What happened, in words.
    public let cause: String

    /// What to do about it.
    public let hint: String?

    /// Makes an error.
    public init(
        _ code: Code,
        server: String? = nil,
        subject: String? = nil,
        cause: String,
        hint: String? = nil
    ) {
        self.code = code
        self.server = server
        self.subject = subject
        self.cause = cause
        self.hint = hint
    }

    /// The error as one or two sentences.
    public var description: String {
        var text = cause
        if let server { text += " (server \(server))" }
        if let subject { text += " (subject \(subject))" }
        if let hint { text += ". \(hint)" }
        return text
    }

    /// Whether the same may succeed once the server, or the way to it, is back.
    public var isTransient: Bool {
        switch code {
        case .timeout, .disconnected, .noResponders, .staleConnection: true
        default: false
        }
    }

    func with(server: String) -> NATSError {
        NATSError(code, server: self.server ?? server, subject: subject, cause: cause, hint: hint)
    }
}
