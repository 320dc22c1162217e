/// Why something with the server did not work, on what, and what to do about it.
public struct NATSError: Error, Sendable, CustomStringConvertible {
    /// What went wrong.
    public enum Code: Sendable, Hashable {
        case connectionRefused
        case unreachable
        case resolve
        case proxy
        case authorization
        case authenticationTimeout
        case authenticationExpired
        case tls
        case protocolViolation
        case maximumPayload(limit: Int)
        case maximumConnections
        case permissions(subject: String)
        case noResponders
        case timeout
        case disconnected
        case closed
        case invalidSubject
        case invalidHeader
        case invalidConfiguration
        case staleConnection
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
