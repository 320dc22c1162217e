import NATSProtocol
import NIOCore

/// The parser of a connection's bytes: wherever the network cuts them, the same comes out.
///
/// The first byte of an input is the seed of the cuts.
enum SplitFrames {
    private static let lineLimit = 512
    private static let messageLimit = 1 << 20

    private struct Result {
        var elements: [String] = []
        var fault: ProtocolError.Code?
        var pending = 0
    }

    static func read(_ bytes: [UInt8]) throws {
        guard let seed = bytes.first else { return }
        let wire = bytes.dropFirst()
        let whole = parse([wire])
        var cut = parse(pieces(wire, seed: UInt64(seed)))
        if whole.fault != nil, cut.fault == nil {
            // A line that is wrong is only looked at once it has ended.
            cut = parse(pieces(wire + [13, 10], seed: UInt64(seed)))
        }
        try ProtocolReader.check(whole.elements == cut.elements, "cut anywhere, the same messages come out")
        try ProtocolReader.check((whole.fault == nil) == (cut.fault == nil), "cut anywhere, it is refused or is not")
        if whole.fault == nil {
            try ProtocolReader.check(whole.pending == cut.pending, "cut anywhere, as much is held back")
        }
    }

    private static func pieces(_ wire: ArraySlice<UInt8>, seed: UInt64) -> [ArraySlice<UInt8>] {
        var state = seed
        var pieces: [ArraySlice<UInt8>] = []
        var rest = wire
        while !rest.isEmpty {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let length = seed == 0 ? 1 : Int((state >> 33) % (seed < 16 ? seed : seed * 4)) + 1
            pieces.append(rest.prefix(length))
            rest = rest.dropFirst(length)
        }
        return pieces
    }

    private static func parse(_ pieces: [ArraySlice<UInt8>]) -> Result {
        var parser = FrameParser(controlLineLimit: lineLimit, messageLimit: messageLimit)
        var result = Result()
        var elements: [FrameParser.Element] = []
        do throws(ProtocolError) {
            for piece in pieces { try parser.parse(ByteBuffer(bytes: piece), into: &elements) }
        } catch {
            result.fault = error.code
        }
        result.pending = parser.pendingBytes
        for element in elements { flatten(element, into: &result.elements) }
        return result
    }

    /// Elements without regard to how messages are grouped.
    private static func flatten(_ element: FrameParser.Element, into texts: inout [String]) {
        switch element {
        case .messages(let batch):
            for index in 0..<batch.count {
                let message = batch[index]
                batch.withView(at: index) { view in
                    let parts = [view.subject, view.reply, view.headers, view.payload].map { Array($0) }
                    texts.append("\(view.sid) \(view.status ?? 0) \(parts)")
                }
                texts.append("\(message.status ?? 0) \(message.payload.readableBytes)")
            }
        case .info(let json): texts.append("info \(Array(json.readableBytesView))")
        case .error(let text): texts.append("error \(text)")
        default: texts.append("\(element)")
        }
    }
}
