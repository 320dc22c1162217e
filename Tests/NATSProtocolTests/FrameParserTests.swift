import NIOCore
import Testing

@testable import NATSProtocol

/// A message as the reference understands it.
struct PlainMessage: Equatable {
    var subject: String
    var sid: UInt32
    var reply: String
    var headers: String
    var payload: String
}

/// A small generator, so that a failure can be replayed from its seed.
struct Dice: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

@Suite struct FrameParserTests {
    static let transcript =
        "INFO {\"server_id\":\"x\"}\r\n" + "PING\r\n" + "MSG a.b 7 5\r\nhello\r\n" + "MSG a.b 7 _R.1 0\r\n\r\n"
        + "HMSG k 8 14 16\r\nNATS/1.0\r\n\r\n12hi\r\n".replacingHeader()
        + "+OK\r\n-ERR 'Permissions Violation for Publish to \"x\"'\r\nPONG\r\n" + "MSG z 1 3\r\n\r\nP\r\n"

    static func parse(_ chunks: [ArraySlice<UInt8>]) throws -> [FrameParser.Element] {
        var parser = FrameParser()
        var elements: [FrameParser.Element] = []
        for chunk in chunks { try parser.parse(ByteBuffer(bytes: chunk), into: &elements) }
        return elements
    }

    /// Elements without regard to how messages are grouped.
    static func flat(_ elements: [FrameParser.Element]) -> [String] {
        elements.flatMap { element -> [String] in
            switch element {
            case .messages(let batch):
                var messages: [String] = []
                for index in 0..<batch.count {
                    batch.withView(at: index) { view in
                        func text(_ part: UnsafeRawBufferPointer) -> String { String(decoding: part, as: UTF8.self) }
                        let parts = [text(view.subject), "\(view.sid)", text(view.reply), text(view.headers)]
                        messages.append((parts + [text(view.payload)]).joined(separator: "|"))
                    }
                }
                return messages
            case .info(let json): return ["info " + String(buffer: json)]
            case .error(let text): return ["error " + text]
            default: return ["\(element)"]
            }
        }
    }

    static let expected = [
        "info {\"server_id\":\"x\"}", "ping", "a.b|7||" + "|hello", "a.b|7|_R.1||", "k|8||NATS/1.0\r\n\r\n|12hi", "ok",
        "error Permissions Violation for Publish to \"x\"", "pong", "z|1||" + "|\r\nP",
    ]

    @Test func readsAWholeTranscript() throws {
        #expect(Self.flat(try Self.parse([Array(Self.transcript.utf8)[...]])) == Self.expected)
    }

    @Test func readsItSplitAnywhere() throws {
        let bytes = Array(Self.transcript.utf8)
        for first in 0...bytes.count {
            #expect(
                Self.flat(try Self.parse([bytes[..<first], bytes[first...]])) == Self.expected,
                "split at \(first)"
            )
        }
        #expect(Self.flat(try Self.parse(bytes.indices.map { bytes[$0...$0] })) == Self.expected)
    }

    @Test(arguments: 0..<200 as Range<UInt64>) func agreesWithTheReference(seed: UInt64) throws {
        var dice = Dice(state: seed)
        var wire: [UInt8] = []
        var expected: [String] = []
        for _ in 0..<Int.random(in: 1...40, using: &dice) {
            let subject = ["a", "b.c", "$KV.x.y", "s.\u{1}"].randomElement(using: &dice) ?? "a"
            let sid = UInt32.random(in: 1...3, using: &dice)
            let reply = Bool.random(using: &dice) ? "" : "r.1"
            let headers = Bool.random(using: &dice) ? "" : "NATS/1.0 404 No\r\nA: b\r\n\r\n"
            let length = Int.random(in: 0...(Bool.random(using: &dice) ? 8 : 3_000), using: &dice)
            let payload = String(
                decoding: (0..<length).map { _ in UInt8.random(in: 10...90, using: &dice) },
                as: UTF8.self
            )
            let size = headers.utf8.count + length
            let verb = headers.isEmpty ? "MSG" : "HMSG"
            let sizes = headers.isEmpty ? "\(size)" : "\(headers.utf8.count) \(size)"
            wire += Array("\(verb) \(subject) \(sid) \(reply.isEmpty ? "" : reply + " ")\(sizes)\r\n".utf8)
            wire += Array(headers.utf8) + Array(payload.utf8) + [13, 10]
            expected.append([subject, "\(sid)", reply, headers, payload].joined(separator: "|"))
        }
        var chunks: [ArraySlice<UInt8>] = []
        var rest = wire[...]
        while !rest.isEmpty {
            let length = Int.random(in: 1...(Bool.random(using: &dice) ? 5 : 5_000), using: &dice)
            chunks.append(rest.prefix(length))
            rest = rest.dropFirst(length)
        }
        #expect(Self.flat(try Self.parse(chunks)) == expected)
    }

    @Test func groupsRunsOfOneSubscription() throws {
        let text = "MSG a 1 1\r\nx\r\nMSG a 1 1\r\ny\r\nMSG a 2 1\r\nz\r\nMSG a 1 1\r\nw\r\n"
        let elements = try Self.parse([Array(text.utf8)[...]])
        let counts = elements.map { element in
            if case .messages(let batch) = element { batch.count } else { -1 }
        }
        #expect(counts == [2, 1, 1])
    }

    @Test(arguments: [
        "HTTP/1.1 400 Bad Request\r\n", "MSG\r\n", "MSG a\r\n", "MSG a 1\r\n", "MSG a x 1\r\n", "MSG a 1 -1\r\n",
        "MSG a 1 99999999999\r\n", "MSG a 1 b c 1\r\n", "HMSG a 1 5\r\n", "HMSG a 1 9 5\r\n123456789\r\n",
        "MSG a 1 1\r\nxyz", "MSG a 1 999999999\r\n", "\r\n", "XYZ\r\n", "\u{16}\u{3}\u{1}",
    ])
    func refusesWhatIsNotTheProtocol(text: String) throws {
        #expect(throws: ProtocolError.self) { try Self.parse([Array(text.utf8)[...]]) }
        #expect(throws: ProtocolError.self) {
            let bytes = Array(text.utf8)
            return try Self.parse(bytes.indices.map { bytes[$0...$0] })
        }
    }

    @Test(arguments: 0..<500 as Range<UInt64>) func neverTrapsOnGarbage(seed: UInt64) {
        var dice = Dice(state: seed &+ 77)
        var bytes = Array(Self.transcript.utf8)
        for _ in 0..<Int.random(in: 1...6, using: &dice) {
            bytes[Int.random(in: 0..<bytes.count, using: &dice)] = UInt8.random(in: 0...255, using: &dice)
        }
        let cut = Int.random(in: 0...bytes.count, using: &dice)
        var parser = FrameParser(messageLimit: 1 << 20)
        var elements: [FrameParser.Element] = []
        do throws(ProtocolError) {
            try parser.parse(ByteBuffer(bytes: bytes[..<cut]), into: &elements)
            try parser.parse(ByteBuffer(bytes: bytes[cut...]), into: &elements)
        } catch {
            #expect(!error.description.isEmpty)
        }
        for case .messages(let batch) in elements {
            for index in 0..<batch.count { _ = batch[index] }
        }
    }

    @Test func boundsALine() throws {
        var parser = FrameParser(controlLineLimit: 100)
        var elements: [FrameParser.Element] = []
        #expect(throws: ProtocolError.self) {
            for _ in 0..<10 { try parser.parse(ByteBuffer(string: "INFO 34567890123456789012"), into: &elements) }
        }
    }

    @Test(arguments: ["MSG * 1 1\r\nx\r\n", "HMSG * 1 0 1\r\nx\r\n", "INFO *\r\n", "-ERR *\r\n"])
    func boundsALineThatComesWhole(text: String) throws {
        for (length, isRefused) in [(80, false), (200, true)] {
            let line = text.replacing("*", with: String(repeating: "s", count: length))
            var parser = FrameParser(controlLineLimit: 100)
            var elements: [FrameParser.Element] = []
            var code: ProtocolError.Code?
            do throws(ProtocolError) {
                try parser.parse(ByteBuffer(string: line), into: &elements)
            } catch {
                code = error.code
            }
            #expect(code == (isRefused ? .controlLineTooLong(limit: 100) : nil))
            #expect(elements.isEmpty == isRefused)
        }
    }

    @Test func collectsALargeMessageOnce() throws {
        var parser = FrameParser()
        var elements: [FrameParser.Element] = []
        try parser.parse(ByteBuffer(string: "MSG a 1 1000000\r\n"), into: &elements)
        for _ in 0..<1_000 { try parser.parse(ByteBuffer(repeating: 65, count: 1_000), into: &elements) }
        #expect(elements.isEmpty)
        try parser.parse(ByteBuffer(string: "\r\nPING\r\n"), into: &elements)
        #expect(elements.count == 2)
        #expect(parser.pendingBytes == 0)
    }
}

extension String {
    /// The block of 12 bytes is announced as such.
    fileprivate func replacingHeader() -> String {
        "HMSG k 8 12 16\r\n" + (split(separator: "\r\n", maxSplits: 1).last.map(String.init) ?? "")
    }
}
