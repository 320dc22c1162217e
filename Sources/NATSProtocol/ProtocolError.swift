/// What is wrong with bytes or texts of the NATS protocol.
public struct ProtocolError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kinds of fault this target can find.
    public enum Code: Sendable, Equatable {
        case malformedFrame
        case controlLineTooLong(limit: Int)
        case messageTooLarge(size: Int, limit: Int)
        case invalidSubject
        case invalidHeader
        case invalidServerAddress
    }

    /// The kind of fault.
    public let code: Code

    /// What was found where, in words.
    public let cause: String

    /// What to do about it, where that helps.
    public let hint: String?

    /// Names a fault.
    public init(_ code: Code, cause: String, hint: String? = nil) {
        self.code = code
        self.cause = cause
        self.hint = hint
    }

    /// The fault as one or two sentences.
    public var description: String {
        guard let hint else { return cause }
        return "\(cause). \(hint)"
    }
}
