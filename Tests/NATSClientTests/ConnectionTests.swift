import Logging
import NATSClient
import NATSProtocol
import NIOCore
import TestSupport
import Testing

/// Runs a body on a connection to a server, with options of a test's own.
func withConnection<Result: Sendable>(
    to url: String,
    _ change: (inout ConnectionConfiguration) throws -> Void = { _ in },
    _ body: (Connection) async throws -> Result
) async throws -> Result {
    var configuration = try ConnectionConfiguration(url)
    configuration.name = "test"
    try change(&configuration)
    return try await Connection.withConnection(configuration, logger: Logger(label: "test"), body)
}

/// The code of the error that a body throws, nil if it throws none.
func code(_ body: () async throws -> Void) async throws -> NATSError.Code? {
    do {
        try await body()
        return nil
    } catch let error as NATSError {
        return error.code
    }
}

@Suite struct ConnectionTests {
    @Test(arguments: ServerBinary.all) func publishesSubscribesAndRequests(binary: ServerBinary) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        try await withConnection(to: server.url) { nats in
            let info = try #require(nats.serverInfo)
            #expect(info.version.map { "\($0)" } == binary.version)
            let subscription = try await nats.subscribe("greet.*")
            try await nats.publish(
                "greet.a",
                payload: ByteBuffer(string: "hello"),
                reply: "back.here",
                headers: ["X-A": "1", "X-B": "two: 2"]
            )
            let batch = try #require(try await subscription.next(timeout: .seconds(30)))
            let message = batch[0]
            #expect(message.subject == "greet.a")
            #expect(message.reply == "back.here")
            #expect(String(buffer: message.payload) == "hello")
            #expect(message.headers?["x-b"] == "two: 2")
            try await nats.flush()

            let reply = try await nats.request("$JS.API.INFO")
            #expect(String(buffer: reply.payload).contains("\"memory\""))
            #expect(try await code { _ = try await nats.request("nobody.home") } == .noResponders)
            #expect(
                try await code {
                    let silent = try await nats.subscribe("silent")
                    _ = try await nats.request("silent", timeout: .milliseconds(50))
                    await silent.unsubscribe()
                } == .timeout
            )
            await subscription.unsubscribe()
            #expect(try await subscription.next() == nil)
        }
    }

    @Test func carriesOneMebibyteAndRefusesMore() async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        try await withConnection(to: server.url) { nats in
            let subscription = try await nats.subscribe("big")
            let bytes = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try await nats.publish("big", payload: ByteBuffer(bytes: bytes))
            let batch = try #require(try await subscription.next(timeout: .seconds(30)))
            #expect(Array(batch[0].payload.readableBytesView) == bytes)
            let tooBig = ByteBuffer(repeating: 0, count: (1 << 20) + 1)
            #expect(
                try await code { try await nats.publish("big", payload: tooBig) } == .maximumPayload(limit: 1 << 20)
            )
            #expect(
                try await code { _ = try await nats.request("big", payload: tooBig) }
                    == .maximumPayload(limit: 1 << 20)
            )
            #expect(try await code { try await nats.publish("a b", payload: ByteBuffer()) } == .invalidSubject)
        }
    }

    @Test func saysWhyItCannotConnect() async throws {
        let server = try await ServerProcess.start()
        let port = server.port
        server.close()
        let refused = try await code { try await withConnection(to: "127.0.0.1:\(port)") { _ in } }
        #expect(refused == .connectionRefused)
        let unknown = try await code { try await withConnection(to: "no-such-host.invalid") { _ in } }
        #expect(unknown == .resolve)
    }

    @Test func slowConsumerLosesNothingAndBoundsMemory() async throws {
        let server = try await ServerProcess.start(options: .init(configuration: "write_deadline: \"60s\""))
        defer { server.close() }
        let count = 60_000
        try await withConnection(to: server.url) { reader in
            let subscription = try await reader.subscribe("flood", capacity: 1 << 20)
            try await reader.flush()
            try await withConnection(to: server.url) { writer in
                var sent = 0
                var largest = 0
                var received = 0
                var inOrder = true
                while sent < count {
                    var batch = PublishBatch(reserving: 1 << 20)
                    for _ in 0..<1_000 {
                        var payload = ByteBuffer(integer: UInt64(sent))
                        payload.writeRepeatingByte(1, count: 248)
                        batch.append(subject: "flood", payload: payload)
                        sent += 1
                    }
                    _ = try await writer.publish(batch)
                }
                try await writer.flush()
                try await eventually("the reader to be full") { subscription.queuedBytes > 1 << 20 }
                while received < count {
                    largest = max(largest, subscription.queuedBytes)
                    let batch = try #require(try await subscription.next(timeout: .seconds(20)))
                    for index in 0..<batch.count {
                        let number = batch[index].payload.getInteger(at: 0, as: UInt64.self)
                        if number != UInt64(received) { inOrder = false }
                        received += 1
                    }
                }
                #expect(inOrder)
                #expect(received == count)
                // The capacity, and what one turn of the event loop may read beyond it.
                #expect(largest < 4 << 20)
            }
        }
    }

    @Test func pausedReadingKeepsTheConnectionAlive() async throws {
        let server = try await ServerProcess.start(
            options: .init(configuration: "ping_interval: \"200ms\"\nping_max: 2")
        )
        defer { server.close() }
        let proxy = try TCPProxy(to: server.port)
        defer { proxy.close() }
        try await withConnection(
            to: proxy.url,
            {
                $0.pingInterval = .milliseconds(100)
                $0.maximumPingsOutstanding = 2
            },
            { nats in
                let subscription = try await nats.subscribe("few", capacity: 64)
                for _ in 0..<20 { try await nats.publish("few", payload: ByteBuffer(repeating: 1, count: 100)) }
                try await eventually("the subscription to be full") { subscription.queuedBytes > 64 }
                // At each of its ping intervals a paused client says `PONG`, and nothing else: after 15 of them, 7 of
                // the server's have passed as well.
                let said = proxy.count.toServer
                try await eventually("15 ping intervals") { proxy.count.toServer >= said + 15 * "PONG\r\n".utf8.count }
                var received = 0
                while received < 20 {
                    received += try #require(try await subscription.next(timeout: .seconds(30))).count
                }
                try await nats.flush()
                #expect(nats.epoch == 1)
            }
        )
    }
}
