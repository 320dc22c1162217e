import KVModel
import NATSClient
import NATSProtocol
import NIOCore

extension JetStreamContext {
    /// The newest message of a subject, from whichever replica or direct mirror answers; nil if there is none.
    ///
    /// It may be older than what was written a moment ago. The stream must have `allow_direct`: where it does not,
    /// nobody answers, which is `JetStreamError.Code.unavailable`.
    public func directMessage(
        _ stream: String,
        last subject: String,
        timeout: Duration? = nil
    ) async throws -> StoredMessage? {
        try await directMessage("DIRECT.GET.\(stream).\(subject)", "", timeout)
    }

    /// The message at a sequence, from whichever replica or direct mirror answers; nil if there is none.
    public func directMessage(
        _ stream: String,
        at sequence: UInt64,
        timeout: Duration? = nil
    ) async throws -> StoredMessage? {
        try await directMessage("DIRECT.GET.\(stream)", #"{"seq":\#(sequence)}"#, timeout)
    }

    private func directMessage(_ verb: String, _ body: String, _ timeout: Duration?) async throws -> StoredMessage? {
        let subject = "\(apiPrefix).\(verb)"
        let reply: Message
        do {
            let payload = ByteBuffer(string: body)
            reply = try await connection.request(subject, payload: payload, timeout: timeout ?? self.timeout)
        } catch let error as NATSError where error.code == .noResponders {
            throw JetStreamError(
                code: .unavailable,
                subject: subject,
                text: "nobody answers direct gets",
                hint: "the stream is gone, without a leader, or does not allow direct gets (allow_direct)"
            )
        }
        if let status = reply.status {
            guard status != 404 else { return nil }
            throw JetStreamError(
                code: status == 503 || status == 429 ? .temporarilyUnavailable : .other(status),
                subject: subject,
                text: "\(status) \(reply.statusDescription ?? "")"
            )
        }
        guard let message = StoredMessage(direct: reply) else {
            throw JetStreamError(
                code: .malformedReply,
                subject: subject,
                text: "the message does not say its sequence, subject and time"
            )
        }
        return message
    }
}

extension StoredMessage {
    /// What servers add to the headers of a message that they hand out directly, behind its own.
    private static let added = ["Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp"]

    /// Takes the answer to a direct get apart; nil if it is none.
    ///
    /// A republished message may carry headers of the same names: the server's are the last.
    init?(direct reply: Message) {
        var fields = reply.headers?.fields ?? []
        var said: [String: String] = [:]
        for name in Self.added {
            guard let index = fields.lastIndex(where: { $0.name == name }) else { return nil }
            said[name] = fields.remove(at: index).value
        }
        guard let subject = said["Nats-Subject"],
            let sequence = said["Nats-Sequence"].flatMap({ UInt64($0) }),
            let time = said["Nats-Time-Stamp"].flatMap(Timestamp.init(rfc3339:))
        else { return nil }
        let own = HeaderBlock(fields: fields.map { HeaderBlock.Field(name: $0.name, value: $0.value) })
        self.init(
            subject: Array(subject.utf8),
            sequence: sequence,
            time: time,
            headers: own.encoded(),
            payload: Array(reply.payload.readableBytesView)
        )
    }
}
