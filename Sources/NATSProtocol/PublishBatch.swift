public import NIOCore

/// Messages encoded for the wire, ready to be written in one go.
///
/// Appending writes straight into one buffer: no text is built, nothing is allocated for a message. A subject that
/// would break the framing (empty, or with a blank or a line break) is not written; it is remembered as the batch's
/// ``fault``, and a batch with a fault cannot be published.
public struct PublishBatch: Sendable {
    /// The encoded messages.
    public private(set) var buffer: ByteBuffer

    /// The number of messages.
    public private(set) var count = 0

    /// Headers and payload of the largest message together, to be held against the server's `max_payload`.
    public private(set) var largestMessage = 0

    /// The first message that could not be encoded.
    public private(set) var fault: ProtocolError?

    /// Makes an empty batch with room for so many bytes.
    public init(reserving bytes: Int = 0) {
        buffer = ByteBuffer()
        buffer.reserveCapacity(bytes)
    }

    /// The size on the wire.
    public var byteCount: Int { buffer.readableBytes }

    /// Whether there is nothing to send.
    public var isEmpty: Bool { count == 0 }

    /// Forgets the messages and keeps the memory, where the connection has let go of it.
    public mutating func removeAll() {
        buffer.clear()
        count = 0
        largestMessage = 0
        fault = nil
    }

    /// Adds a message from memory: `headers` is a whole wire block or empty, `reply` may be empty.
    public mutating func append(
        subject: UnsafeRawBufferPointer,
        reply: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
        headers: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
        payload: UnsafeRawBufferPointer
    ) {
        guard !subject.isEmpty, Self.isOneToken(subject), Self.isOneToken(reply) else {
            note(
                ProtocolError(
                    .invalidSubject,
                    cause: "a subject is empty or contains a blank or a line break",
                    hint: "Such a subject cannot be sent over NATS."
                )
            )
            return
        }
        let size = headers.count + payload.count
        // 64 bytes hold the verb, both numbers, the blanks and the line ends.
        let bound = subject.count + reply.count + size + 64
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { memory in
            var position = 0
            func put(_ bytes: UnsafeRawBufferPointer) {
                guard !bytes.isEmpty else { return }
                UnsafeMutableRawBufferPointer(rebasing: memory[position..<position + bytes.count])
                    .copyMemory(from: bytes)
                position += bytes.count
            }
            func put(_ text: StaticString) {
                put(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
            }
            put(headers.isEmpty ? "PUB " : "HPUB ")
            put(subject)
            put(" ")
            if !reply.isEmpty {
                put(reply)
                put(" ")
            }
            if !headers.isEmpty {
                position = DecimalDigits.write(headers.count, to: memory, at: position)
                put(" ")
            }
            position = DecimalDigits.write(size, to: memory, at: position)
            put("\r\n")
            put(headers)
            put(payload)
            put("\r\n")
            return position
        }
        count += 1
        largestMessage = max(largestMessage, size)
    }

    /// Adds a message.
    public mutating func append(
        subject: String,
        reply: String? = nil,
        headers: Headers? = nil,
        payload: ByteBuffer = ByteBuffer()
    ) {
        var block = ByteBuffer()
        if let headers {
            if let fault = headers.fault {
                note(fault)
                return
            }
            headers.encode(into: &block)
        }
        var subject = subject
        var reply = reply ?? ""
        subject.withUTF8 { subject in
            reply.withUTF8 { reply in
                block.withUnsafeReadableBytes { block in
                    payload.withUnsafeReadableBytes { payload in
                        append(
                            subject: UnsafeRawBufferPointer(subject),
                            reply: UnsafeRawBufferPointer(reply),
                            headers: block,
                            payload: payload
                        )
                    }
                }
            }
        }
    }

    private mutating func note(_ error: ProtocolError) {
        fault = fault ?? error
    }

    private static func isOneToken(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.allSatisfy { $0 > 0x20 || !($0 == 0x20 || $0 == 0x0D || $0 == 0x0A || $0 == 0x09 || $0 == 0) }
    }
}
