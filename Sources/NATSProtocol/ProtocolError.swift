/// What is wrong with bytes or texts of the NATS protocol.
public struct ProtocolError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kinds of fault this target can find.
    public enum Code: Sendable, Equatable {
        /// Bytes that are no frame.
        case malformedFrame
        /// A line of more than `limit` bytes.
        case controlLineTooLong(limit: Int)
        /// A message of `size` bytes was announced, more than `limit`.
        case messageTooLarge(size: Int, limit: Int)
        /// A subject that cannot be sent.
        case invalidSubject
        /// A header that cannot be sent.
        case invalidHeader
        /// A server address that cannot be read.
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
