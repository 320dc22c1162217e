public import NIOCore

/// One message that stands on its own: for requests and for everything that is not in a hurry.
public struct Message: Sendable, Equatable {
    /// The subject it was published on.
    public let subject: String

    /// Where an answer is expected, if one is.
    public let reply: String?

    /// The headers, if it has any.
    public let headers: Headers?

    /// The payload.
    public let payload: ByteBuffer

    /// Makes a message.
    public init(subject: String, reply: String? = nil, headers: Headers? = nil, payload: ByteBuffer = ByteBuffer()) {
        self.subject = subject
        self.reply = reply
        self.headers = headers
        self.payload = payload
    }

    /// The status code of the headers' first line, such as 503 for "no responders".
    public var status: Int? { headers?.status }

    /// The words after the status code.
    public var statusDescription: String? { headers?.statusDescription }
}
