public import NIOCore

/// Takes the frames of a WebSocket apart, as a client receives them (RFC 6455), wherever a read has cut them.
///
/// NATS knows no messages of a WebSocket: the payloads of all data frames are one stream of bytes. They are handed on
/// as they come, so that a frame, which a server may make as long as all that waits for a client, is never held in
/// memory. Only a header or a control frame that is not complete is, 125 bytes at the most.
public struct WebSocketReader: Sendable {
    /// What was found.
    public enum Element: Sendable, Equatable {
        /// Bytes of the stream; they share the memory of what was read.
        case bytes(ByteBuffer)
        /// To be answered by a pong with the same bytes.
        case ping(ByteBuffer)
        /// The other side is done: nothing after it counts.
        case close(code: UInt16?, reason: String)
    }

    private enum Opcode: UInt8 {
        case continuation = 0
        case text = 1
        case binary = 2
        case close = 8
        case ping = 9
        case pong = 10

        var isControl: Bool { rawValue >= 8 }
    }

    private enum State {
        case header
        case data(remaining: Int)
        case control(Opcode, length: Int)
        case closed
    }

    private static let controlLimit = 125

    private let frameLimit: Int
    private var state = State.header
    /// Whether the last data frame is to be continued.
    private var isFragmented = false
    /// The part of a header or of a control frame that has come so far.
    private var held = ByteBuffer()

    /// Makes a reader at the beginning of a stream.
    ///
    /// - Parameter frameLimit: bytes of the longest frame that is taken, 4 GiB by default. It costs no memory: beyond
    ///   it something else than a server of NATS must be speaking.
    public init(frameLimit: Int = 1 << 32) {
        self.frameLimit = frameLimit
    }

    /// Bytes that are kept until the rest of their frame comes.
    package var heldBytes: Int { held.readableBytes }

    /// Reads all of a buffer; what was found before a fault is among the elements all the same.
    public mutating func read(_ input: inout ByteBuffer, into elements: inout [Element]) throws(ProtocolError) {
        while true {
            switch state {
            case .header:
                guard try readHeader(&input) else { return }
            case .data(let remaining):
                let count = min(remaining, input.readableBytes)
                if count > 0, let bytes = input.readSlice(length: count) { elements.append(.bytes(bytes)) }
                guard count == remaining else {
                    state = .data(remaining: remaining - count)
                    return
                }
                state = .header
            case .control(let opcode, let length):
                guard hold(length, of: &input) else { return }
                let payload = held
                held = ByteBuffer()
                state = .header
                try readControl(opcode, payload, into: &elements)
            case .closed:
                input.moveReaderIndex(to: input.writerIndex)
                return
            }
        }
    }

    /// False while a part of the header is still to come.
    private mutating func readHeader(_ input: inout ByteBuffer) throws(ProtocolError) -> Bool {
        guard hold(2, of: &input), let first = held.getInteger(at: held.readerIndex, as: UInt8.self),
            let second = held.getInteger(at: held.readerIndex + 1, as: UInt8.self)
        else { return false }
        guard first & 0x70 == 0 else { throw Self.fault("uses an extension that was not agreed on") }
        guard let opcode = Opcode(rawValue: first & 0x0F) else { throw Self.fault("is of a kind that does not exist") }
        guard second & 0x80 == 0 else { throw Self.fault("is masked, which a server's never is") }
        let isFinal = first & 0x80 != 0
        let code = Int(second & 0x7F)
        if opcode.isControl, !isFinal || code > Self.controlLimit {
            throw Self.fault("is a control frame in parts, or too long for one")
        }
        switch opcode {
        case .text: throw Self.fault("holds text, which NATS does not send")
        case .continuation where !isFragmented: throw Self.fault("continues one that there was not")
        case .binary where isFragmented: throw Self.fault("begins before the one before it has ended")
        default: break
        }
        guard hold(code == 127 ? 10 : code == 126 ? 4 : 2, of: &input) else { return false }
        let length = try length(code)
        held = ByteBuffer()
        if opcode.isControl {
            state = .control(opcode, length: length)
        } else {
            isFragmented = !isFinal
            state = .data(remaining: length)
        }
        return true
    }

    private func length(_ code: Int) throws(ProtocolError) -> Int {
        let index = held.readerIndex + 2
        let length: UInt64 =
            switch code {
            case 126: UInt64(held.getInteger(at: index, as: UInt16.self) ?? 0)
            case 127: held.getInteger(at: index, as: UInt64.self) ?? 0
            default: UInt64(code)
            }
        guard length <= UInt64(frameLimit) else {
            throw ProtocolError(
                .messageTooLarge(size: Int(clamping: length), limit: frameLimit),
                cause: "a WebSocket frame of \(length) bytes exceeds the limit of \(frameLimit)"
            )
        }
        return Int(length)
    }

    private mutating func readControl(
        _ opcode: Opcode,
        _ payload: ByteBuffer,
        into elements: inout [Element]
    ) throws(ProtocolError) {
        var payload = payload
        switch opcode {
        case .ping: elements.append(.ping(payload))
        case .close:
            guard payload.readableBytes != 1 else { throw Self.fault("closes with half a code") }
            let code = payload.readInteger(as: UInt16.self)
            elements.append(.close(code: code, reason: String(buffer: payload)))
            state = .closed
        default: break
        }
    }

    /// Takes bytes until so many are held; false if there are not enough.
    private mutating func hold(_ count: Int, of input: inout ByteBuffer) -> Bool {
        let missing = count - held.readableBytes
        guard missing > 0 else { return true }
        if var bytes = input.readSlice(length: min(missing, input.readableBytes)) { held.writeBuffer(&bytes) }
        return held.readableBytes == count
    }

    private static func fault(_ cause: String) -> ProtocolError {
        ProtocolError(.malformedFrame, cause: "a WebSocket frame of the server \(cause)")
    }
}
