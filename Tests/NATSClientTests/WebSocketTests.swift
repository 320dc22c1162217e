import Glibc
import NATSClient
import NATSProtocol
import NIOCore
import TestSupport
import Testing

/// WebSocket as a real server speaks it.
@Suite struct WebSocketTests {
    private static func quick(_ configuration: inout ConnectionConfiguration) {
        configuration.reconnect = ReconnectPolicy(wait: .milliseconds(20), maximumWait: .milliseconds(100))
    }

    @Test(arguments: ServerBinary.all) func carriesEverySize(binary: ServerBinary) async throws {
        let server = try await WebSocketServer.start(binary)
        defer { server.close() }
        try await withConnection(to: server.url) { nats in
            #expect(nats.serverInfo?.version.map { "\($0)" } == binary.version)
            let subscription = try await nats.subscribe("sizes")
            // The lengths at which a frame's own changes its form, and the largest message.
            let sizes = [0, 1, 100, 125, 126, 4_096, 65_535, 65_536, (1 << 20) - 64]
            for size in sizes {
                let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
                try await nats.publish("sizes", payload: ByteBuffer(bytes: bytes), headers: ["X-Size": "\(size)"])
            }
            var received: [Int] = []
            while received.count < sizes.count {
                let batch = try #require(try await subscription.next(timeout: .seconds(30)))
                for index in 0..<batch.count {
                    let payload = batch[index].payload
                    let size = payload.readableBytes
                    #expect(batch[index].headers?["x-size"] == "\(size)")
                    #expect(
                        payload.readableBytesView.enumerated().allSatisfy { $1 == UInt8(truncatingIfNeeded: $0 &* 31) }
                    )
                    received.append(size)
                }
            }
            #expect(received == sizes)
            #expect(
                try await code {
                    try await nats.publish("sizes", payload: ByteBuffer(repeating: 0, count: (1 << 20) + 1))
                } == .maximumPayload(limit: 1 << 20)
            )
            #expect(try await code { _ = try await nats.request("nobody.home") } == .noResponders)
            #expect(nats.epoch == 1)
        }
    }

    @Test func carriesLargeBatchesAndHoldsASlowReaderBack() async throws {
        let server = try await WebSocketServer.start(jetStream: false)
        defer { server.close() }
        let count = 20_000
        try await withConnection(to: server.url) { reader in
            let subscription = try await reader.subscribe("flood", capacity: 1 << 20)
            try await reader.flush()
            try await withConnection(to: server.url) { writer in
                for start in stride(from: 0, to: count, by: 5_000) {
                    var batch = PublishBatch(reserving: 2 << 20)
                    for number in start..<start + 5_000 {
                        var payload = ByteBuffer(integer: UInt64(number))
                        payload.writeRepeatingByte(1, count: 248)
                        batch.append(subject: "flood", payload: payload)
                    }
                    _ = try await writer.publish(batch)
                }
                try await writer.flush()
                try await eventually("the reader to be full") { subscription.queuedBytes > 1 << 20 }
                var received = 0
                var largest = 0
                while received < count {
                    largest = max(largest, subscription.queuedBytes)
                    let batch = try #require(try await subscription.next(timeout: .seconds(20)))
                    for index in 0..<batch.count {
                        #expect(batch[index].payload.getInteger(at: 0, as: UInt64.self) == UInt64(received))
                        received += 1
                    }
                }
                // The capacity, and what one turn of the event loop may read beyond it.
                #expect(largest < 4 << 20)
            }
        }
    }

    @Test(arguments: [true, false]) func comesBackToARestartedServer(isKilled: Bool) async throws {
        let server = try await WebSocketServer.start()
        defer { server.close() }
        try await withConnection(to: server.url, Self.quick) { nats in
            let subscription = try await nats.subscribe("news")
            try await nats.flush()
            let events = nats.events()
            if isKilled { try await server.process.kill() } else { try await server.process.stop() }
            for await event in events {
                if case .disconnected = event { break }
            }
            async let waiting = nats.request("$JS.API.INFO", timeout: .seconds(20))
            try await server.process.restart()
            #expect(try await waiting.payload.readableBytes > 0)
            #expect(nats.epoch == 2)
            try await nats.publish("news", payload: ByteBuffer(string: "again"))
            let batch = try #require(try await subscription.next(timeout: .seconds(30)))
            #expect(String(buffer: batch[0].payload) == "again")
        }
    }

    @Test func leavesAServerThatHasStopped() async throws {
        let server = try await WebSocketServer.start(jetStream: false)
        defer { server.close() }
        try await withConnection(
            to: server.url,
            {
                Self.quick(&$0)
                $0.pingInterval = .milliseconds(100)
            },
            { nats in
                let events = nats.events()
                server.process.pause()
                for await event in events {
                    guard case .disconnected(let reason) = event else { continue }
                    #expect(reason.contains("pings"))
                    break
                }
                server.process.resume()
                try await nats.waitUntilConnected(timeout: .seconds(20))
            }
        )
    }

    /// Clients by WebSocket are told of other addresses than the rest.
    @Test func learnsOfOtherServersAndGoesToThem() async throws {
        let cluster = try await ServerCluster.start(
            nodes: 2,
            configuration: "websocket { listen: \"127.0.0.1:-1\", no_tls: true }"
        )
        defer { cluster.close() }
        let ports = try cluster.nodes.map { node in
            let line = try #require(node.log.split(separator: "\n").first { $0.contains("websocket clients on ws://") })
            return try #require(line.split(separator: ":").last.flatMap { Int($0) })
        }
        try await withConnection(to: "ws://127.0.0.1:\(ports[0])", Self.quick) { nats in
            let subscription = try await nats.subscribe("news")
            let events = nats.events()
            try await eventually("the other server to be known") {
                nats.serverInfo?.connectURLs.contains { $0.hasSuffix(":\(ports[1])") } == true
            }
            try await cluster.nodes[0].kill()
            for await event in events {
                guard case .connected(let server) = event else { continue }
                #expect(server == "ws://127.0.0.1:\(ports[1])")
                break
            }
            try await nats.publish("news", payload: ByteBuffer(string: "x"))
            #expect(try await subscription.next(timeout: .seconds(30))?.count == 1)
        }
    }

    @Test func drainsWithoutLoss() async throws {
        let server = try await WebSocketServer.start(jetStream: false)
        defer { server.close() }
        try await withConnection(to: server.url) { nats in
            let subscription = try await nats.subscribe("a")
            for _ in 0..<100 { try await nats.publish("a", payload: ByteBuffer(string: "x")) }
            try await nats.drain()
            var received = 0
            while let batch = try await subscription.next() { received += batch.count }
            #expect(received == 100)
        }
    }

    /// A bucket from its making to a deleted key, by the requests that it is made of.
    @Test(arguments: ServerBinary.all) func carriesABucket(binary: ServerBinary) async throws {
        let server = try await WebSocketServer.start(binary)
        defer { server.close() }
        try await withConnection(to: server.url) { nats in
            func ask(_ subject: String, _ text: String = "", headers: Headers? = nil) async throws -> String {
                String(
                    buffer: try await nats.request(subject, payload: ByteBuffer(string: text), headers: headers).payload
                )
            }
            let made = try await ask(
                "$JS.API.STREAM.CREATE.KV_config",
                """
                {"name":"KV_config","subjects":["$KV.config.>"],"max_msgs_per_subject":3,"deny_delete":true,
                 "allow_rollup_hdrs":true,"allow_direct":true,"discard":"new"}
                """
            )
            #expect(made.contains("\"did_create\":true"))
            let watched = try await nats.subscribe("$KV.config.>")
            let value = String(repeating: "v", count: 600_000)
            #expect(try await ask("$KV.config.a", value).contains("\"seq\":1"))
            #expect(
                try await ask("$KV.config.a", "2", headers: ["Nats-Expected-Last-Subject-Sequence": "7"]).contains(
                    "10071"
                )
            )
            let direct = try await nats.request("$JS.API.DIRECT.GET.KV_config.$KV.config.a")
            #expect(String(buffer: direct.payload) == value && direct.headers?["Nats-Sequence"] == "1")
            #expect(try await ask("$KV.config.a", headers: ["KV-Operation": "DEL"]).contains("\"seq\":2"))
            let last = try await nats.request("$JS.API.DIRECT.GET.KV_config.$KV.config.a")
            #expect(last.headers?["KV-Operation"] == "DEL")
            var seen: [Int] = []
            while seen.count < 3 {
                let batch = try #require(try await watched.next(timeout: .seconds(30)))
                for index in 0..<batch.count { seen.append(batch[index].payload.readableBytes) }
            }
            #expect(seen == [600_000, 1, 0])
        }
    }

    @Test func refusesToMixTransports() async throws {
        #expect(throws: NATSError.self) { try ConnectionConfiguration("ws://a,nats://b") }
        let found = try await code {
            try await withConnection(to: "ws://127.0.0.1:1") {
                $0.servers.append(try ServerAddress("nats://127.0.0.1:1"))
            } _: { _ in
            }
        }
        #expect(found == .invalidConfiguration)
    }
}
