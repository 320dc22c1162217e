import Glibc
import Logging
import NATSClient
import NATSProtocol
import NIOCore
import TestSupport
import Testing

@Suite struct ReconnectTests {
    private static func quick(_ configuration: inout ConnectionConfiguration) {
        configuration.reconnect = ReconnectPolicy(wait: .milliseconds(20), maximumWait: .milliseconds(100))
    }

    @Test(arguments: [true, false]) func comesBackToARestartedServer(isKilled: Bool) async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        try await withConnection(to: server.url, Self.quick) { nats in
            let subscription = try await nats.subscribe("news")
            let silent = try await nats.subscribe("silent")
            try await nats.flush()
            async let unanswered = code { _ = try await nats.request("silent", timeout: .seconds(20)) }
            _ = try await silent.next(timeout: .seconds(30))
            if isKilled { try await server.kill() } else { try await server.stop() }
            let lost = try await unanswered
            #expect(lost == .disconnected)
            #expect(try await code { try await nats.publish("news", payload: ByteBuffer()) } == .disconnected)
            #expect(try await code { try await nats.waitUntilConnected(timeout: .milliseconds(50)) } == .timeout)
            // A request made now waits for the server to come back.
            async let waiting = nats.request("$JS.API.INFO", timeout: .seconds(20))
            try await server.restart()
            try await nats.waitUntilConnected(timeout: .seconds(20))
            #expect(nats.epoch == 2)
            try await nats.publish("news", payload: ByteBuffer(string: "again"))
            let batch = try #require(try await subscription.next(timeout: .seconds(30)))
            #expect(String(buffer: batch[0].payload) == "again")
            let answer = try await waiting
            #expect(answer.payload.readableBytes > 0)
        }
    }

    @Test func leavesAServerThatHasStopped() async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        let change: (inout ConnectionConfiguration) -> Void = {
            Self.quick(&$0)
            $0.pingInterval = .milliseconds(100)
        }
        try await withConnection(to: server.url, change) { nats in
            let events = nats.events()
            server.pause()
            for await event in events {
                if case .disconnected(let reason) = event {
                    #expect(reason.contains("pings"))
                    break
                }
            }
            server.resume()
            try await nats.waitUntilConnected(timeout: .seconds(20))
        }
    }

    @Test func leavesALameDuckForAnotherServer() async throws {
        let cluster = try await ServerCluster.start(nodes: 2)
        defer { cluster.close() }
        let first = cluster.nodes[0]
        try await withConnection(to: first.url, Self.quick) { nats in
            let subscription = try await nats.subscribe("news")
            try await eventually("the other server to be known") { !(nats.serverInfo?.connectURLs.isEmpty ?? true) }
            let before = nats.serverInfo?.serverID
            first.send(SIGUSR2)
            try await eventually("the move", timeout: .seconds(8)) {
                nats.isConnected && nats.serverInfo?.serverID != before
            }
            try await nats.publish("news", payload: ByteBuffer(string: "x"))
            #expect(try await subscription.next(timeout: .seconds(30))?.count == 1)
        }
    }

    @Test func givesUpWhenToldTo() async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        var configuration = try ConnectionConfiguration(server.url)
        configuration.reconnect = ReconnectPolicy(attempts: .rounds(0))
        let nats = Connection(configuration, logger: Logger(label: "test"))
        let run = Task { try await nats.run() }
        try await nats.connect()
        let subscription = try await nats.subscribe("a")
        try await server.kill()
        await #expect(throws: NATSError.self) { _ = try await subscription.next(timeout: .seconds(30)) }
        await #expect(throws: NATSError.self) { try await run.value }
        #expect(try await code { _ = try await nats.request("a") } != nil)
    }

    @Test func drainsWithoutLoss() async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        try await withConnection(to: server.url) { nats in
            let subscription = try await nats.subscribe("a")
            for _ in 0..<100 { try await nats.publish("a", payload: ByteBuffer(string: "x")) }
            try await nats.drain()
            var received = 0
            while let batch = try await subscription.next() { received += batch.count }
            #expect(received == 100)
            #expect(try await code { try await nats.publish("a", payload: ByteBuffer()) } == .closed)
        }
    }
}
