public import NIOCore

/// Consecutive messages of one subscription that arrived together and share one buffer.
public struct MessageBatch: Sendable, Equatable {
    /// The wire bytes that the frames point into.
    public let bytes: ByteBuffer

    /// The messages, in the order of their arrival.
    public let frames: [MessageFrame]

    /// Joins frames with the bytes they were found in: offsets count from the reader index.
    ///
    /// Only the parser makes frames, so they always lie inside the bytes.
    init(bytes: ByteBuffer, frames: [MessageFrame]) {
        self.bytes = bytes
        self.frames = frames
    }

    /// The number of messages.
    public var count: Int { frames.count }

    /// What the batch costs in memory, for those who bound it.
    public var byteCount: Int { bytes.readableBytes + frames.count * MemoryLayout<MessageFrame>.stride }

    /// Shows every message in turn, in place.
    public func forEach(_ body: (MessageView) throws -> Void) rethrows {
        try bytes.withUnsafeReadableBytes { memory in
            for frame in frames {
                try body(MessageView(frame, in: memory))
            }
        }
    }

    /// Shows one message in place.
    public func withView<Result>(at index: Int, _ body: (MessageView) throws -> Result) rethrows -> Result {
        try bytes.withUnsafeReadableBytes { try body(MessageView(frames[index], in: $0)) }
    }

    /// A message of its own, which may be kept.
    public subscript(index: Int) -> Message {
        let frame = frames[index]
        let payload = Self.detached(
            bytes,
            at: bytes.readerIndex + Int(frame.payloadStart),
            length: Int(frame.payloadLength)
        )
        return withView(at: index) { view in
            let headers = view.headers.isEmpty ? nil : Headers(wire: view.headers)
            return Message(
                subject: String(decoding: view.subject, as: UTF8.self),
                reply: view.reply.isEmpty ? nil : String(decoding: view.reply, as: UTF8.self),
                headers: headers,
                payload: payload
            )
        }
    }

    /// A small payload is copied, so that keeping it does not keep the whole batch in memory.
    private static func detached(_ bytes: ByteBuffer, at index: Int, length: Int) -> ByteBuffer {
        if length * 2 >= bytes.readableBytes, let slice = bytes.getSlice(at: index, length: length) {
            return slice
        }
        guard let view = bytes.viewBytes(at: index, length: length) else { return ByteBuffer() }
        return ByteBuffer(bytes: view)
    }
}
