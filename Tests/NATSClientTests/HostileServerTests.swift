import Foundation
import Logging
import NATSClient
import NATSProtocol
import NIOCore
import Synchronization
import TestSupport
import Testing

/// A server that breaks the protocol, lies about sizes, floods or says nothing: the connection ends with a `NATSError`
/// or goes on, what waits on it ends in time, and memory stays bounded.
@Suite struct HostileServerTests {
    /// What one connection to a hostile server came to.
    private struct End {
        var request: NATSError.Code?
        var run: NATSError?
    }

    /// Connects, asks something that is never answered, and tells how that and the connection ended.
    private static func end(
        pingInterval: Duration = .seconds(30),
        connectTimeout: Duration = .seconds(5),
        _ script: @escaping HostileServer.Script
    ) async throws -> End {
        let server = try HostileServer(script)
        defer { server.close() }
        var configuration = try ConnectionConfiguration(server.url)
        configuration.reconnect = ReconnectPolicy(attempts: .rounds(0))
        configuration.pingInterval = pingInterval
        configuration.connectTimeout = connectTimeout
        let nats = Connection(configuration, logger: quiet)
        let run = Task { try await nats.run() }
        var end = End()
        end.request = try await code {
            try await nats.connect()
            _ = try await nats.request("anything", timeout: .seconds(20))
        }
        do {
            try await run.value
        } catch let error as NATSError {
            end.run = error
        }
        return end
    }

    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    // MARK: Bytes that are no protocol

    static let nonsense: [String: [UInt8]] = [
        "a size of twenty digits": Array("MSG a 1 99999999999999999999\r\n".utf8),
        "a size above every limit": Array("MSG a 1 134217729\r\n".utf8),
        "a negative size": Array("MSG a 1 -1\r\n".utf8),
        "a size in letters": Array("MSG a 1 0x10\r\n".utf8),
        "no size": Array("MSG a 1\r\n".utf8),
        "a negative id": Array("MSG a -1 2\r\nhi\r\n".utf8),
        "too many words": Array("MSG a 1 b c d 2\r\nhi\r\n".utf8),
        "more headers than message": Array("HMSG a 1 20 10\r\n0123456789\r\n".utf8),
        "a message that is longer than told": Array("MSG a 1 2\r\nhello\r\n".utf8),
        "a message that is shorter than told": Array("MSG a 1 9\r\nhi\r\nPING\r\nPING\r\n".utf8),
        "zeros": [UInt8](repeating: 0, count: 4096),
        "bytes that are no UTF-8": [0xFF, 0xFE, 0xC0, 0x80, 0x0D, 0x0A],
        "another protocol": Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8),
        "an empty line": Array("\r\n".utf8),
        "an INFO without end": Array("INFO ".utf8) + [UInt8](repeating: 0x78, count: 3 << 20),
        "a complaint without end": Array("-ERR ".utf8) + [UInt8](repeating: 0x78, count: 3 << 20),
        "a message line without end": Array("MSG ".utf8) + [UInt8](repeating: 0x78, count: 3 << 20),
        "a message line of blanks without end": Array("MSG a ".utf8) + [UInt8](repeating: 0x20, count: 3 << 20),
        "an INFO that is no JSON": Array("INFO {\"server_id\":\r\n".utf8),
        "an INFO without content": Array("INFO\r\n".utf8),
        "an INFO that is a list": Array("INFO [1,2]\r\n".utf8),
        "an INFO of a hundred thousand lists": Array(("INFO " + String(repeating: "[", count: 100_000) + "\r\n").utf8),
    ]

    @Test(arguments: nonsense.keys.sorted(), [false, true])
    func endsOnNonsense(name: String, afterHandshake: Bool) async throws {
        let bytes = try #require(Self.nonsense[name])
        let end = try await Self.end { session, _ in
            if afterHandshake {
                try session.greet()
                _ = try session.publication()
            }
            try session.send(bytes)
            try session.keepSilent()
        }
        #expect(end.run?.code == .protocolViolation, "\(String(describing: end.run))")
        #expect(end.run?.server?.isEmpty == false)
        // Where the end comes before the question, that is answered with the reason.
        #expect(end.request == .protocolViolation || (afterHandshake && end.request == .disconnected))
    }

    @Test(arguments: [false, true]) func endsOnSomeOfItInPieces(inPieces: Bool) async throws {
        for name in ["a size of twenty digits", "more headers than message", "a message that is longer than told"] {
            let bytes = try #require(Self.nonsense[name])
            let end = try await Self.end { session, _ in
                try session.greet()
                for byte in bytes {
                    try session.send([byte])
                    if inPieces { usleep(200) }
                }
                try session.keepSilent()
            }
            #expect(end.run?.code == .protocolViolation, "\(name): \(String(describing: end.run))")
        }
    }

    // MARK: Oddities that do no harm

    static let oddities: [String: [UInt8]] = [
        "messages that nobody subscribed to": Array(
            "MSG a 77 2\r\nhi\r\nHMSG a 78 12 14\r\nNATS/1.0\r\n\r\nhi\r\n".utf8
        ),
        "an id above 32 bits": Array("MSG a 999999999 2\r\nhi\r\n".utf8),
        "a header block of nothing": Array("HMSG a 1 0 2\r\nhi\r\n".utf8),
        "a header block that is none": Array("HMSG a 1 8 10\r\n\u{0}\u{1}\n:::\r\nhi\r\n".utf8),
        "a subject that is no UTF-8": Array("MSG ".utf8) + [0xFF, 0xC0, 0x80] + Array(" 77 1\r\nx\r\n".utf8),
        "PONGs that nobody asked for": Array(String(repeating: "PONG\r\n", count: 5_000).utf8),
        "acknowledgements that nobody asked for": Array(String(repeating: "+OK\r\n", count: 5_000).utf8),
        "complaints without end": Array(String(repeating: "-ERR 'Whatever'\r\n", count: 20_000).utf8),
        "refusals of subjects that nobody uses": Array(
            String(repeating: "-ERR 'Permissions Violation for Publish to \"\"'\r\n", count: 2_000).utf8
        ),
        "a complaint that is no UTF-8": Array("-ERR '".utf8) + [0xFF, 0xFE] + Array("'\r\n".utf8),
        "line ends without returns": Array("+OK\nPONG\nINFO {}\n".utf8),
        "small letters": Array("+ok\r\npong\r\ninfo {}\r\nmsg a 77 1\r\nx\r\n".utf8),
        "an INFO of wrong types": Array(
            (#"INFO {"server_id":5,"version":[],"proto":"x","headers":"yes","max_payload":"much","client_id":-1,"#
                + #""connect_urls":"none","ldm":3,"tls_required":null,"port":1e400}"# + "\r\n").utf8
        ),
        "an INFO with addresses that are none": Array(
            "INFO {\"connect_urls\":[\"\",\":\",\"[::\",\"a:b\",\"x:99999\",\"\\u0000:1\",\"://\",\"@@\"]}\r\n".utf8
        ),
        "an INFO with numbers out of range": Array(
            #"INFO {"max_payload":1048576,"client_id":99999999999999999999999,"port":-1,"proto":1e99}"#.utf8
        ) + [13, 10],
    ]

    @Test(arguments: oddities.keys.sorted()) func livesWithOddities(name: String) async throws {
        let bytes = try #require(Self.oddities[name])
        let server = try HostileServer { session, _ in
            try session.greet()
            while true {
                let publication = try session.publication()
                try session.send(bytes)
                try session.send(to: publication.reply, Array("answer".utf8))
            }
        }
        defer { server.close() }
        var configuration = try ConnectionConfiguration(server.url)
        configuration.reconnect = ReconnectPolicy(attempts: .rounds(0))
        try await Connection.withConnection(configuration, logger: Self.quiet) { nats in
            // Nobody takes these: what waits to be taken is bounded.
            let events = nats.events()
            for _ in 0..<3 {
                let reply = try await nats.request("question", timeout: .seconds(20))
                #expect(String(buffer: reply.payload) == "answer")
            }
            #expect(nats.epoch == 1)
            withExtendedLifetime(events) {}
        }
    }

    @Test func takesOnlyTheAnswerToItsOwnQuestion() async throws {
        let server = try HostileServer { session, _ in
            try session.greet()
            while true {
                let publication = try session.publication()
                let prefix = publication.reply.split(separator: ".").dropLast().joined(separator: ".")
                for other in ["", "x", "-1", "0", "99999999999999999999999", "18446744073709551615", "1.2", "+1"] {
                    // An empty last token is what a subscription to `<prefix>.*` cannot deliver: all the same.
                    try session.send(to: "\(prefix).\(other)", Array("wrong".utf8))
                }
                try session.send(to: publication.reply, Array(publication.subject.utf8))
                // The same answer a second time belongs to nobody.
                try session.send(to: publication.reply, Array("again".utf8))
            }
        }
        defer { server.close() }
        try await withConnection(to: server.url) { nats in
            for number in 0..<20 {
                let reply = try await nats.request("q\(number)", timeout: .seconds(20))
                #expect(String(buffer: reply.payload) == "q\(number)")
            }
        }
    }

    // MARK: Silence

    static let silences: [String: String] = [
        "after the handshake": "",
        "in the middle of a message": "MSG a 1 1000\r\nabc",
        "in the middle of a line": "MSG a 1",
        "after announcing 128 MiB": "MSG a 1 134217728\r\n",
        "after announcing 128 MiB of headers": "HMSG a 1 134217728 134217728\r\nNATS/1.0",
    ]

    @Test(arguments: silences.keys.sorted()) func leavesAServerThatFallsSilent(name: String) async throws {
        let text = try #require(Self.silences[name])
        let end = try await Self.end(pingInterval: .milliseconds(50)) { session, _ in
            try session.greet()
            try session.send(text)
            try session.keepSilent()
        }
        #expect(end.run?.code == .staleConnection)
        #expect(end.request == .disconnected || end.request == .staleConnection)
    }

    @Test func leavesAServerThatNeverSaysAnything() async throws {
        let silent = try await Self.end(connectTimeout: .milliseconds(600)) { session, _ in
            try session.keepSilent()
        }
        #expect(silent.run?.code == .unreachable)
        let halfway = try await Self.end(connectTimeout: .seconds(3)) { session, _ in
            try session.send(HostileSession.info)
            try session.keepSilent()
        }
        #expect(halfway.run?.code == .timeout)
        let gone = try await Self.end { _, _ in }
        #expect(gone.run?.code == .unreachable)
    }

    @Test func staysForAServerThatIsSlow() async throws {
        let server = try HostileServer { session, _ in
            for byte in HostileSession.info.utf8 { try session.send([byte]) }
            try session.greet("")
            let publication = try session.publication()
            let id = session.id(for: publication.reply) ?? "1"
            for byte in Array("MSG \(publication.reply) \(id) 5\r\nhello\r\n".utf8) {
                try session.send([byte])
                usleep(500)
            }
            try session.stay()
        }
        defer { server.close() }
        try await withConnection(to: server.url) { nats in
            let reply = try await nats.request("question", timeout: .seconds(20))
            #expect(String(buffer: reply.payload) == "hello")
        }
    }

    // MARK: Memory

    /// Resident memory of this process.
    private static func resident() throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        return try #require(pages) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    @Test func takesNoMemoryForWhatIsOnlyAnnounced() async throws {
        let server = try HostileServer { session, _ in
            try session.greet()
            _ = try session.publication()
            // The first bytes come, so that room is made for the rest.
            try session.send("MSG a 1 134000000\r\n" + String(repeating: "x", count: 4_096))
            try session.keepSilent()
        }
        defer { server.close() }
        let before = try Self.resident()
        let connections = try (0..<16).map { _ in
            Connection(try ConnectionConfiguration(server.url), logger: Self.quiet)
        }
        let runs = connections.map { nats in Task { try await nats.run() } }
        for nats in connections {
            try await nats.connect()
            try await nats.publish("go", payload: ByteBuffer())
        }
        try await eventually("all to be asked") { server.accepted == 16 }
        // An answer that never comes gives what was sent the time to arrive.
        for nats in connections {
            #expect(try await code { try await nats.flush(timeout: .milliseconds(50)) } == .timeout)
        }
        // 2 GiB were announced; the bound leaves room for the tests that run beside this one.
        #expect(try Self.resident() - before < 700 << 20)
        for nats in connections { await nats.close() }
        for run in runs { try await run.value }
    }

    @Test func holdsAHugeHeaderBlockOnce() async throws {
        let fields = String(repeating: "a:b\r\n", count: 200_000)
        let block = "NATS/1.0\r\n\(fields)\r\n"
        let server = try HostileServer { session, _ in
            try session.greet()
            while true {
                let publication = try session.publication()
                try session.send(to: publication.reply, headers: block, Array("answer".utf8))
            }
        }
        defer { server.close() }
        try await withConnection(to: server.url) { nats in
            let reply = try await nats.request("question", timeout: .seconds(20))
            #expect(reply.headers?.fields.count == 200_000)
            #expect(String(buffer: reply.payload) == "answer")
        }
    }

    @Test func keepsABacklogWithinItsCapacity() async throws {
        let sent = Mutex<Int?>(nil)
        // One small message that is kept, then a large one that nobody subscribed to, over and over.
        let server = try HostileServer { session, _ in
            try session.greet()
            let go = try session.publication()
            let id = session.id(for: "news") ?? go.reply
            let pair = "MSG news \(id) 1\r\nx\r\nMSG other 77777 60000\r\n\(String(repeating: "y", count: 60_000))\r\n"
            let count = try session.flood(Array(pair.utf8), upTo: 1 << 30)
            sent.withLock { $0 = count }
            try session.keepSilent()
        }
        defer { server.close() }
        let before = try Self.resident()
        try await withConnection(to: server.url) { nats in
            let subscription = try await nats.subscribe("news")
            try await nats.publish("go", payload: ByteBuffer())
            try await eventually("the flood to end") { sent.withLock { $0 } != nil }
            try await eventually("something to wait") { subscription.queuedBytes > 0 }
            #expect(try Self.resident() - before < 700 << 20)
        }
    }
}
