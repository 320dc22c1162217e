public import NIOCore

/// A frame that a client sends: whole, and masked as clients must (RFC 6455, section 5).
public struct WebSocketFrame: Sendable {
    /// What it is.
    public enum Kind: UInt8, Sendable {
        /// Bytes of the connection that the WebSocket carries.
        case binary = 2
        /// The end of the WebSocket.
        case close = 8
        /// The answer to a ping.
        case pong = 10
    }

    /// What it is.
    public let kind: Kind

    /// What it carries.
    public let payload: ByteBuffer

    /// Makes a frame.
    public init(_ kind: Kind, payload: ByteBuffer) {
        self.kind = kind
        self.payload = payload
    }

    /// The frame that ends a WebSocket, with a code (1000: all is well) and no reason.
    public static func close(code: UInt16) -> WebSocketFrame {
        WebSocketFrame(.close, payload: ByteBuffer(integer: code))
    }

    /// The bytes of the frame; `mask` is to be a random number, another one for each.
    public func encoded(mask: UInt32) -> ByteBuffer {
        let count = payload.readableBytes
        var buffer = ByteBuffer()
        buffer.reserveCapacity(count + 14)
        buffer.writeInteger(0x80 | kind.rawValue)
        switch count {
        case ...125: buffer.writeInteger(0x80 | UInt8(count))
        case ...0xFFFF: buffer.writeMultipleIntegers(UInt8(0x80 | 126), UInt16(count))
        default: buffer.writeMultipleIntegers(UInt8(0x80 | 127), UInt64(count))
        }
        buffer.writeInteger(mask)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
            payload.withUnsafeReadableBytes { source in
                Self.mask(source, into: target, with: mask.bigEndian)
            }
            return count
        }
        return buffer
    }

    /// Copies bytes and masks them, eight at a time; the key stands in memory as it does in the frame.
    private static func mask(
        _ source: UnsafeRawBufferPointer,
        into target: UnsafeMutableRawBufferPointer,
        with key: UInt32
    ) {
        let wide = UInt64(key) << 32 | UInt64(key)
        var index = 0
        while index + 8 <= source.count {
            let word = source.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            target.storeBytes(of: word ^ wide, toByteOffset: index, as: UInt64.self)
            index += 8
        }
        withUnsafeBytes(of: key) { key in
            while index < source.count {
                target[index] = source[index] ^ key[index & 3]
                index += 1
            }
        }
    }
}
