public import NIOCore

/// The bytes of a NATS connection, taken apart.
///
/// `NATSProtocol` is the protocol as pure values: this parser, headers and batches, the encoder of publishes, and
/// the machines that decide what a connection does (`ConnectionMachine`), where it connects to (`ServerPool`) and
/// what is subscribed (`SubscriptionTable`). It never opens a socket, reads a clock, draws a random number or logs:
/// `NATSClient` does that and executes what the machines answer. Start reading here, then at `ConnectionMachine`.
///
/// The parser is fed buffers as they come off the socket, split anywhere. Messages stay where they are: a run of
/// messages of one subscription becomes a ``MessageBatch`` that shares the buffer. Copied is only a frame that the end
/// of a buffer cuts, once, into memory of its known size, and a run that is a small part of its buffer.
public struct FrameParser: Sendable {
    /// What a connection sends.
    public enum Element: Sendable, Equatable {
        /// Messages of one subscription, in order.
        case messages(MessageBatch)
        /// The JSON text of an INFO line.
        case info(ByteBuffer)
        /// The server wants to know whether we live.
        case ping
        /// The server answered a PING.
        case pong
        /// The server acknowledges a line, in verbose mode.
        case ok
        /// The text of an -ERR line, without its quotes.
        case error(String)
    }

    private let scanner: FrameScanner
    /// The beginning of a frame whose end has not come yet.
    private var pending = ByteBuffer()
    /// The full size of the pending frame, 0 while its first line is incomplete.
    private var needed = 0
    /// Frames of the run at hand; kept to spare its growth.
    private var run: [MessageFrame] = []

    /// Makes a parser that refuses longer lines and larger messages than given.
    public init(controlLineLimit: Int = 1 << 20, messageLimit: Int = 128 << 20) {
        scanner = FrameScanner(controlLineLimit: controlLineLimit, messageLimit: messageLimit)
    }

    /// Bytes held back because their frame is incomplete.
    public var pendingBytes: Int { pending.readableBytes }

    /// Takes the next bytes and appends what they complete.
    ///
    /// After an error the connection is of no more use; what was complete before the fault has been appended.
    public mutating func parse(_ buffer: ByteBuffer, into elements: inout [Element]) throws(ProtocolError) {
        var input = buffer
        if pending.readableBytes > 0 {
            try completePending(from: &input, into: &elements)
        }
        guard pending.readableBytes == 0, input.readableBytes > 0 else { return }
        let rest = try parseRun(input, into: &elements)
        guard rest.consumed < input.readableBytes else { return }
        needed = rest.needed
        input.moveReaderIndex(forwardBy: rest.consumed)
        pending = ByteBuffer()
        pending.reserveCapacity(max(needed, input.readableBytes))
        pending.writeBuffer(&input)
    }

    /// Moves just so much of the input that the pending frame is whole, then parses it on its own.
    private mutating func completePending(
        from input: inout ByteBuffer,
        into elements: inout [Element]
    ) throws(ProtocolError) {
        if needed == 0 {
            let lineEnd = input.readableBytesView.firstIndex(of: 0x0A)
            let length = lineEnd.map { $0 - input.readerIndex + 1 } ?? input.readableBytes
            move(length, from: &input)
            guard lineEnd != nil else {
                guard pending.readableBytes <= scanner.controlLineLimit else { throw scanner.lineTooLong }
                return
            }
            let rest = try parseRun(pending, into: &elements)
            if rest.consumed == pending.readableBytes {
                pending = ByteBuffer()
                return
            }
            guard rest.needed > pending.readableBytes else {
                throw scanner.malformed("a line ends where it should not")
            }
            needed = rest.needed
            pending.reserveCapacity(needed)
        }
        move(min(needed - pending.readableBytes, input.readableBytes), from: &input)
        guard pending.readableBytes == needed else { return }
        let frame = pending
        pending = ByteBuffer()
        needed = 0
        let rest = try parseRun(frame, into: &elements)
        guard rest.consumed == frame.readableBytes else { throw scanner.malformed("a message is not whole") }
    }

    private mutating func move(_ length: Int, from input: inout ByteBuffer) {
        guard var part = input.readSlice(length: length) else { return }
        pending.writeBuffer(&part)
    }

    /// Parses frames in place until the input ends or cuts one.
    private mutating func parseRun(
        _ input: ByteBuffer,
        into elements: inout [Element]
    ) throws(ProtocolError) -> (consumed: Int, needed: Int) {
        var position = 0
        var runStart = 0
        var needed = 0
        var fault: ProtocolError?
        run.removeAll(keepingCapacity: true)
        input.withUnsafeReadableBytes { bytes in
            scan: while position < bytes.count {
                switch scanner.scan(bytes, from: position) {
                case .message(let frame, let end):
                    if let first = run.first, first.sid != frame.sid {
                        closeRun(from: runStart, to: position, of: input, into: &elements)
                    }
                    if run.isEmpty { runStart = position }
                    run.append(frame)
                    position = end
                case .control(let verb, let argument, let end):
                    closeRun(from: runStart, to: position, of: input, into: &elements)
                    elements.append(Self.element(verb, UnsafeRawBufferPointer(rebasing: bytes[argument])))
                    position = end
                case .incomplete(let size):
                    needed = size
                    break scan
                case .malformed(let error):
                    fault = error
                    break scan
                }
            }
        }
        closeRun(from: runStart, to: position, of: input, into: &elements)
        if let fault { throw fault }
        return (position, needed)
    }

    private mutating func closeRun(
        from start: Int,
        to end: Int,
        of input: ByteBuffer,
        into elements: inout [Element]
    ) {
        guard !run.isEmpty, var bytes = input.getSlice(at: input.readerIndex + start, length: end - start)
        else { return }
        // Whoever keeps a few of these messages must not keep with them all that came beside them.
        if bytes.readableBytes < bytes.storageCapacity / 4 { bytes = ByteBuffer(buffer: bytes) }
        let offset = UInt32(start)
        let frames = offset == 0 ? Array(run) : run.map { $0.movedBack(by: offset) }
        elements.append(.messages(MessageBatch(bytes: bytes, frames: frames)))
        run.removeAll(keepingCapacity: true)
    }

    private static func element(_ verb: FrameScanner.Verb, _ argument: UnsafeRawBufferPointer) -> Element {
        switch verb {
        case .info: .info(ByteBuffer(bytes: argument))
        case .ping: .ping
        case .pong: .pong
        case .ok: .ok
        case .error: .error(text(argument))
        }
    }

    /// The server quotes its complaints.
    private static func text(_ argument: UnsafeRawBufferPointer) -> String {
        var text = argument[...]
        while let first = text.first, first == UInt8(ascii: "'") { text = text.dropFirst() }
        while let last = text.last, last == UInt8(ascii: "'") { text = text.dropLast() }
        return String(decoding: text, as: UTF8.self)
    }
}
