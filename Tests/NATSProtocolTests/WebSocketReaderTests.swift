import NIOCore
import Testing

@testable import NATSProtocol

/// Frames as a server sends them, written here by hand after RFC 6455.
@Suite struct WebSocketReaderTests {
    typealias Element = WebSocketReader.Element

    /// A frame of any kind, with a length of one, three or nine bytes as its payload needs.
    static func frame(_ first: UInt8, _ payload: [UInt8]) -> [UInt8] {
        let length: [UInt8] =
            switch payload.count {
            case ...125: [UInt8(payload.count)]
            case ...0xFFFF: [126, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
            default: [127] + (0..<8).map { UInt8(truncatingIfNeeded: payload.count >> (56 - 8 * $0)) }
            }
        return [first] + length + payload
    }

    /// What a reader finds in pieces: the bytes of the stream as one, and what is no part of it by its place in them.
    static func read(_ pieces: [[UInt8]]) throws -> (stream: [UInt8], controls: [Int: [Element]], largest: Int) {
        var reader = WebSocketReader()
        var stream: [UInt8] = []
        var controls: [Int: [Element]] = [:]
        var largest = 0
        for piece in pieces {
            var elements: [Element] = []
            var buffer = ByteBuffer(bytes: piece)
            try reader.read(&buffer, into: &elements)
            #expect(buffer.readableBytes == 0)
            largest = max(largest, reader.heldBytes)
            for element in elements {
                if case .bytes(let bytes) = element {
                    stream += Array(bytes.readableBytesView)
                } else {
                    controls[stream.count, default: []].append(element)
                }
            }
        }
        return (stream, controls, largest)
    }

    @Test func readsFramesWhereverTheyAreCut() throws {
        let long = (0..<70_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let middle = (0..<300).map { UInt8(truncatingIfNeeded: $0) }
        var wire = Self.frame(0x82, Array("INFO {}\r\n".utf8))
        wire += Self.frame(0x02, middle) + Self.frame(0x89, Array("are you there".utf8)) + Self.frame(0x00, [1])
        wire += Self.frame(0x80, [2, 3]) + Self.frame(0x82, []) + Self.frame(0x8A, [9]) + Self.frame(0x82, long)
        wire += Self.frame(0x88, [0x03, 0xF0] + Array("gone".utf8)) + Self.frame(0x82, [7])
        let stream = Array("INFO {}\r\n".utf8) + middle + [1, 2, 3] + long
        let ping = Element.ping(ByteBuffer(string: "are you there"))
        let close = Element.close(code: 1008, reason: "gone")

        var random = SystemRandomNumberGenerator()
        for longest in [1, 2, 3, 11, 150, 5_000, wire.count] {
            var pieces: [[UInt8]] = []
            var rest = wire[...]
            while !rest.isEmpty {
                let count = longest == wire.count ? longest : Int.random(in: 1...longest, using: &random)
                pieces.append(Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            let found = try Self.read(pieces)
            #expect(found.stream == stream)
            #expect(found.controls == [9 + 300: [ping], stream.count: [close]])
            #expect(found.largest <= 125)
        }
    }

    @Test func holdsNothingOfALargeFrame() throws {
        var reader = WebSocketReader()
        var elements: [Element] = []
        // 3 GiB are announced: what comes is handed on at once, sharing the memory of what was read.
        var header = ByteBuffer(bytes: [0x82, 127, 0, 0, 0, 0, 0xC0, 0, 0, 0])
        try reader.read(&header, into: &elements)
        for _ in 0..<64 {
            var piece = ByteBuffer(repeating: 1, count: 1 << 16)
            elements = []
            try reader.read(&piece, into: &elements)
            #expect(elements == [.bytes(ByteBuffer(repeating: 1, count: 1 << 16))])
            #expect(reader.heldBytes == 0)
        }
    }

    @Test(
        arguments: [
            ("masked", [0x82, 0x81, 0, 0, 0, 0, 1]), ("reserved bit", [0xC2, 0x01, 1]), ("text", [0x81, 0x01, 0x61]),
            ("unknown kind", [0x83, 0x00]), ("unknown control", [0x8B, 0x00]),
            ("nothing to continue", [0x80, 0x01, 1]),
            ("begun twice", [0x02, 0x01, 1, 0x82, 0x01, 1]), ("ping in parts", [0x09, 0x00]),
            ("ping of 126 bytes", [0x89, 126, 0, 126]), ("half a close code", [0x88, 0x01, 3]),
            ("2^63 bytes", [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]),
            ("2^64 - 1 bytes", [0x82, 127] + [UInt8](repeating: 0xFF, count: 8)),
            ("4 GiB and a byte", [0x82, 127, 0, 0, 0, 1, 0, 0, 0, 1]),
        ] as [(String, [UInt8])]
    )
    func refusesWhatNoServerSends(what: String, wire: [UInt8]) {
        var reader = WebSocketReader()
        #expect(throws: ProtocolError.self, "\(what)") {
            for byte in wire {
                var elements: [Element] = []
                var buffer = ByteBuffer(bytes: [byte])
                try reader.read(&buffer, into: &elements)
            }
        }
    }

    @Test func handsOnWhatCameBeforeAFault() {
        var reader = WebSocketReader(frameLimit: 10)
        var elements: [Element] = []
        var buffer = ByteBuffer(bytes: Self.frame(0x82, [1, 2]) + Self.frame(0x82, [UInt8](repeating: 0, count: 11)))
        #expect {
            try reader.read(&buffer, into: &elements)
        } throws: {
            ($0 as? ProtocolError)?.code == .messageTooLarge(size: 11, limit: 10)
        }
        #expect(elements == [.bytes(ByteBuffer(bytes: [1, 2]))])
    }

    @Test(arguments: [0, 1, 7, 8, 125, 126, 1_000, 65_535, 65_536, 200_003])
    func writesMaskedFrames(count: Int) throws {
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let mask: UInt32 = 0x01A2_B3C4
        let wire = Array(
            WebSocketFrame(.binary, payload: ByteBuffer(bytes: payload)).encoded(mask: mask).readableBytesView
        )
        // The same frame unmasked, with what masking adds to it.
        let plain = Self.frame(0x82, payload)
        let start = plain.count - count
        #expect(Array(wire[..<start]) == [0x82, plain[1] | 0x80] + plain[2..<start])
        #expect(Array(wire[start..<start + 4]) == [0x01, 0xA2, 0xB3, 0xC4])
        let key: [UInt8] = [0x01, 0xA2, 0xB3, 0xC4]
        #expect(wire[(start + 4)...].enumerated().map { $0.element ^ key[$0.offset % 4] } == payload)
    }

    @Test func writesOfASliceWhatIsReadable() {
        var buffer = ByteBuffer(string: "xxhello")
        buffer.moveReaderIndex(forwardBy: 2)
        let wire = WebSocketFrame(.pong, payload: buffer).encoded(mask: 0)
        #expect(Array(wire.readableBytesView) == [0x8A, 0x85, 0, 0, 0, 0] + Array("hello".utf8))
        #expect(Array(WebSocketFrame.close(code: 1000).encoded(mask: 0).readableBytesView.suffix(2)) == [0x03, 0xE8])
    }
}
