import Foundation
import KVModel
import NATSClient
public import NATSProtocol
public import NIOCore

extension PublishAcknowledgement {
    /// Reads the answer to a publish; throws what the server refused the message with.
    init(reply: MessageView, subject: String) throws {
        if !reply.headers.isEmpty, reply.status == 503 {
            throw JetStreamError(
                code: .unavailable,
                subject: subject,
                text: "no stream takes the message",
                hint: "the bucket was deleted, fenced or moved, or its server is restarting"
            )
        }
        try self.init(payload: reply.payload, subject: subject)
    }

    /// Reads `{"stream":"KV_x","seq":17}` without building a tree; anything unusual goes through the JSON decoder.
    init(payload: UnsafeRawBufferPointer, subject: String) throws {
        if let sequence = Self.plainSequence(payload) {
            self.init(sequence: sequence, isDuplicate: false)
            return
        }
        let value: JSONValue
        do {
            value = try JSONDecoder().decode(JSONValue.self, from: Data(payload))
        } catch {
            throw JetStreamError(code: .malformedReply, subject: subject, text: "the acknowledgement is not JSON")
        }
        if let refusal = value["error"] { throw JetStreamError(refusal: refusal, subject: subject) }
        guard let sequence = value["seq"]?.unsigned else {
            throw JetStreamError(code: .malformedReply, subject: subject, text: "the acknowledgement has no sequence")
        }
        self.init(sequence: sequence, isDuplicate: value["duplicate"]?.bool ?? false)
    }

    /// The sequence, if the payload is exactly `{"stream":"<name>", "seq":<digits>}` with or without the space.
    private static func plainSequence(_ payload: UnsafeRawBufferPointer) -> UInt64? {
        let opening = "{\"stream\":\"".utf8
        guard payload.count > opening.count, payload.starts(with: opening) else { return nil }
        var position = opening.count
        while position < payload.count, payload[position] != 34 {
            if payload[position] == 92 { return nil }
            position += 1
        }
        position += 1
        guard position < payload.count, payload[position] == 44 else { return nil }
        position += 1
        if position < payload.count, payload[position] == 32 { position += 1 }
        let field = "\"seq\":".utf8
        guard payload[min(position, payload.count)...].starts(with: field) else { return nil }
        position += field.count
        var value: UInt64 = 0
        let start = position
        while position < payload.count, position - start < 19, (48...57).contains(payload[position]) {
            value = value * 10 + UInt64(payload[position] - 48)
            position += 1
        }
        guard position > start, position == payload.count - 1, payload[position] == 125 else { return nil }
        return value
    }
}

extension JetStreamContext {
    /// Publishes one message and waits for the server to say that it is stored.
    public func publish(
        _ subject: String,
        payload: ByteBuffer,
        headers: Headers? = nil
    ) async throws -> PublishAcknowledgement {
        try await publish(subject, to: publishSubject(subject), payload, headers, timeout: timeout)
    }

    /// Publishes one message by way of another subject and waits for the server to say that it is stored.
    package func publish(
        _ subject: String,
        to target: String,
        _ payload: ByteBuffer,
        _ headers: Headers?,
        timeout: Duration
    ) async throws -> PublishAcknowledgement {
        let reply: Message
        do {
            reply = try await connection.request(target, payload: payload, headers: headers, timeout: timeout)
        } catch let error as NATSError where error.code == .noResponders {
            throw JetStreamError(
                code: .streamNotFound,
                subject: subject,
                text: "no stream takes the message",
                hint: "the bucket does not exist, is fenced, or its server is restarting"
            )
        }
        return try reply.payload.withUnsafeReadableBytes {
            try PublishAcknowledgement(payload: $0, subject: subject)
        }
    }
}
