import KVModel
import NATSClient
import NIOCore

@testable import NATSProtocol

extension ProtocolReader {
    /// Sound inputs, cut out of what real servers have said.
    func seeds(_ transcripts: [[UInt8]]) throws -> [[UInt8]] {
        switch self {
        case .frames: return transcripts.flatMap { bytes in [0, 1, 7, 200].map { [$0] + bytes } }
        case .machine: return [Array(0...255), [0, 0, 2, 8, 8, 2, 5, 3, 5, 3], [1, 3, 0, 0, 2], [4, 6]]
        case .info:
            return try Self.elements(transcripts).compactMap { element in
                if case .info(let json) = element { Array(json.readableBytesView) } else { nil }
            }
        case .headers: return try Self.messages(transcripts).map(\.headers).filter { !$0.isEmpty }
        case .delivery: return try Self.messages(transcripts).map(\.reply).filter { !$0.isEmpty }
        case .acknowledgement:
            let opening = Array("{\"stream\"".utf8)
            return try Self.messages(transcripts).map(\.payload).filter { $0.starts(with: opening) }
                + [Array(#"{"stream":"a", "seq":18446744073709551615}"#.utf8)]
        case .reply: return try Self.messages(transcripts).map(\.payload).filter { $0.first == UInt8(ascii: "{") }
        case .directReply:
            return try Self.messages(transcripts).filter { !$0.headers.isEmpty }.map { $0.headers + [0] + $0.payload }
        case .addresses:
            return [
                "nats://a:b@h:1,tls://[::1]:2", "127.0.0.1", "wss://x.y/z?q", "-", "Permissions Violation for \"x\"",
            ]
            .map { Array($0.utf8) }
        case .context:
            return [
                #"{"url":"nats:127.0.0.1","token":"env:S","user":"u","password":"p","tls_first":true}"#,
                #"{"description":"","nkey":"x","creds":"~","user_jwt":"j","user_seed":"SU","socks_proxy":"a:1"}"#,
                #"{"cert":"c","key":"k","ca":"a","jetstream_domain":"d","jetstream_api_prefix":"p","inbox_prefix":"i"}"#,
            ].map { Array($0.utf8) }
        }
    }

    private static func elements(_ transcripts: [[UInt8]]) throws -> [FrameParser.Element] {
        var elements: [FrameParser.Element] = []
        for bytes in transcripts {
            var parser = FrameParser()
            try parser.parse(ByteBuffer(bytes: bytes), into: &elements)
        }
        return elements
    }

    private static func messages(
        _ transcripts: [[UInt8]]
    ) throws -> [(headers: [UInt8], reply: [UInt8], payload: [UInt8])] {
        var found: [(headers: [UInt8], reply: [UInt8], payload: [UInt8])] = []
        for case .messages(let batch) in try elements(transcripts) {
            for index in 0..<batch.count {
                batch.withView(at: index) {
                    found.append((Array($0.headers), Array($0.reply), Array($0.payload)))
                }
            }
        }
        return found
    }
}
