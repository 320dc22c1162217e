import NATSClient
import NATSProtocol
import NIOCore
import Synchronization
import TestSupport
import Testing

/// What answers is no server of NATS, or one that has gone wrong.
@Suite struct WebSocketFaultTests {
    typealias Script = @Sendable (HostileSession) throws -> Void

    private static let info = HostileSession.info

    private static func frame(_ text: String) -> [UInt8] {
        [0x82, UInt8(text.utf8.count)] + Array(text.utf8)
    }

    /// A case of a fault: what the server does, and what the client says of it.
    struct Fault: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let code: NATSError.Code
        let says: String
        let script: Script

        init(
            _ name: String,
            _ code: NATSError.Code,
            says: String,
            _ script: @escaping Script
        ) {
            testDescription = name
            self.code = code
            self.says = says
            self.script = script
        }

        /// A server that agrees, and then sends these bytes.
        static func agreeing(_ name: String, _ code: NATSError.Code, says: String, _ bytes: [UInt8]) -> Fault {
            Fault(name, code, says: says) { session in
                try session.agree(bytes)
                try session.keepSilent()
            }
        }

        static func answering(_ name: String, _ code: NATSError.Code, says: String, _ text: String) -> Fault {
            Fault(name, code, says: says) { session in
                _ = try session.upgradeRequest()
                try session.send(text)
                try session.keepSilent()
            }
        }
    }

    static let faults: [Fault] = [
        .answering(
            "not found",
            .unreachable,
            says: "404 Not Found",
            "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope"
        ),
        .answering("no HTTP", .protocolViolation, says: "nats://", info),
        .answering(
            "another key's answer",
            .protocolViolation,
            says: "proxies",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
        ),
        Fault("an extension that nobody asked for", .protocolViolation, says: "proxies") { session in
            try session.agree(adding: "Sec-WebSocket-Extensions: permessage-deflate\r\n")
            try session.keepSilent()
        },
        Fault("a header without end", .protocolViolation, says: "does not speak WebSocket") { session in
            _ = try session.upgradeRequest()
            try session.send("HTTP/1.1 101 Switching Protocols\r\n")
            _ = try session.flood(Array("X-Y: \(String(repeating: "y", count: 100))\r\n".utf8), upTo: 16 << 20)
            try session.keepSilent()
        },
        Fault("silence", .unreachable, says: "said nothing") { try $0.keepSilent() },
        Fault("silence after agreeing", .unreachable, says: "said nothing") { session in
            try session.agree()
            try session.keepSilent()
        },
        Fault("an end at once", .unreachable, says: "said nothing") { _ = try $0.upgradeRequest() },
        .agreeing(
            "a frame of 2^63 bytes",
            .protocolViolation,
            says: "exceeds",
            [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]
        ),
        .agreeing("reserved bits", .protocolViolation, says: "extension", [0xC2, 1, 0]),
        .agreeing("a masked frame", .protocolViolation, says: "masked", [0x82, 0x81, 1, 2, 3, 4, 5]),
        .agreeing("text", .protocolViolation, says: "text", [0x81] + frame(info).dropFirst()),
        .agreeing("a goodbye", .disconnected, says: "1008 not here", [0x88, 10, 0x03, 0xF0] + Array("not here".utf8)),
        .agreeing("no NATS", .protocolViolation, says: "ws://", frame("HELLO WORLD\r\n")),
    ]

    @Test(arguments: faults) func isNamed(fault: Fault) async throws {
        let server = try HostileServer { session, _ in try fault.script(session) }
        defer { server.close() }
        do {
            try await withConnection(to: "ws://127.0.0.1:\(server.port)") {
                $0.connectTimeout = .milliseconds(fault.code == .unreachable ? 500 : 5_000)
            } _: { _ in
            }
            Issue.record("it was taken for a server")
        } catch let error as NATSError {
            #expect(error.code == fault.code, "\(error)")
            #expect("\(error)".contains(fault.says))
            #expect(error.server == "ws://127.0.0.1:\(server.port)")
        }
    }

    /// One byte a frame, pings between them, and all of it in the segment of the agreement.
    @Test func anythingCutIsRead() async throws {
        let asked = Mutex<[String]>([])
        let hasAnswered = Mutex(false)
        let server = try HostileServer { session, _ in
            let request = try session.upgradeRequest()
            asked.withLock { $0 = request }
            var bytes = Array(HostileSession.agreement(to: request).utf8)
            for (index, byte) in Self.info.utf8.enumerated() {
                // Some frames are whole, some are parts of one.
                bytes += index % 3 == 0 ? [0x02, 1, byte, 0x89, 2, 7, 7, 0x80, 0] : [0x82, 1, byte]
            }
            try session.send(bytes)
            var isGreeted = false
            while true {
                let received = try session.bytes()
                if received.contains(0x8A) { hasAnswered.withLock { $0 = true } }
                // The first frame that is no pong is CONNECT and PING.
                guard !isGreeted, received.contains(0x82) else { continue }
                isGreeted = true
                try session.send(
                    [0x02, 3] + Array("PON".utf8) + [0x00, 1] + Array("G".utf8) + [0x80, 2] + Array("\r\n".utf8)
                )
            }
        }
        defer { server.close() }
        try await withConnection(to: "ws://127.0.0.1:\(server.port)/gate?key=1") { nats in
            #expect(nats.serverInfo?.serverID == "H")
            try await eventually("an answer to the pings") { hasAnswered.withLock { $0 } }
        }
        let request = asked.withLock { $0 }
        #expect(request.first == "GET /gate?key=1 HTTP/1.1")
        #expect(request.contains { $0.lowercased() == "host: 127.0.0.1:\(server.port)" })
    }

    /// A server that asks without end and does not listen is answered once for all of it.
    @Test func answersThatNobodyReadsDoNotPileUp() async throws {
        let asked = 200_000
        let answers = Mutex<Int?>(nil)
        let server = try HostileServer { session, _ in
            try session.agree(Self.frame(Self.info))
            _ = try session.bytes()
            try session.send(Self.frame("PONG\r\n"))
            for start in stride(from: 0, to: asked, by: 1_000) {
                try session.send((start..<start + 1_000).flatMap { Self.ping($0 + 1) })
            }
            // Now it listens: to far fewer answers than it asked for, but to the last one.
            var pending: [UInt8] = []
            var heard = 0
            var last = 0
            while last < asked {
                pending += try session.bytes()
                var index = 0
                while pending.count >= index + Self.pong {
                    guard pending[index] == 0x8A else { return }
                    last = 0
                    for byte in 0..<8 {
                        let plain = pending[index + 6 + byte] ^ pending[index + 2 + byte % 4]
                        last = last << 8 | Int(plain)
                    }
                    heard += 1
                    index += Self.pong
                }
                pending.removeFirst(index)
            }
            answers.withLock { $0 = heard }
            try session.keepSilent()
        }
        defer { server.close() }
        try await withConnection(to: "ws://127.0.0.1:\(server.port)") { nats in
            try await eventually("the last answer") { answers.withLock { $0 } != nil }
            #expect(try #require(answers.withLock { $0 }) < asked * 3 / 4)
            #expect(nats.isConnected)
        }
    }

    /// Bytes of the answer to a ping of 125 bytes: header, mask and payload.
    private static let pong = 6 + 125

    /// A ping of 125 bytes with a number in it.
    private static func ping(_ number: Int) -> [UInt8] {
        var frame: [UInt8] = [0x89, 125]
        for byte in 0..<8 { frame.append(UInt8(truncatingIfNeeded: number >> (56 - 8 * byte))) }
        return frame + [UInt8](repeating: 0, count: 117)
    }
}
