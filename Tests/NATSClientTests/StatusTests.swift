import Logging
import NATSClient
import NATSProtocol
import NIOCore
import TestSupport
import Testing

@Suite struct StatusTests {
    private static func connection(_ url: String, attempts: ReconnectPolicy.Attempts = .unlimited) throws -> Connection
    {
        var configuration = try ConnectionConfiguration(url)
        configuration.reconnect = ReconnectPolicy(
            wait: .milliseconds(20),
            maximumWait: .milliseconds(50),
            attempts: attempts
        )
        return Connection(configuration, logger: Logger(label: "test"))
    }

    @Test func tellsEveryStepToWhoKeepsUp() async throws {
        let server = try await ServerProcess.start(options: .init(jetStream: false))
        defer { server.close() }
        let nats = try Self.connection(server.url)
        #expect(nats.status == .idle)
        var statuses = nats.statuses().makeAsyncIterator()
        #expect(await statuses.next() == .idle)
        let run = Task { try await nats.run() }
        var seen: [ConnectionStatus] = []
        /// Reads on to a status; what follows quickly may stand for what it follows.
        func read(to status: ConnectionStatus) async {
            while seen.last != status, let next = await statuses.next() { seen.append(next) }
        }
        await read(to: .connected)
        #expect(nats.status == .connected)
        try await server.kill()
        await read(to: .reconnecting)
        #expect(nats.status == .reconnecting)
        try await server.restart()
        await read(to: .connected)
        try await nats.drain()
        await read(to: .closed)
        #expect(await statuses.next() == nil)
        #expect(nats.status == .closed)
        try await run.value
        let order: [ConnectionStatus] = [.connecting, .connected, .reconnecting, .connected, .draining, .closed]
        // What may be missing are the steps that somebody else hurried past.
        var rest = order[...]
        for status in seen {
            rest = rest.drop { $0 != status }
            #expect(rest.popFirst() == status, "\(seen)")
        }
    }

    @Test func theNewestIsNeverLost() async throws {
        let server = try await ServerProcess.start(options: .init(jetStream: false))
        defer { server.close() }
        let nats = try Self.connection(server.url)
        let unread = nats.statuses()
        let events = nats.events()
        let run = Task { try await nats.run() }
        try await nats.connect()
        await nats.close()
        try await run.value
        // Nobody has read: of all that happened the last remains.
        var found: [ConnectionStatus] = []
        for await status in unread { found.append(status) }
        #expect(found == [.closed])
        var last: ConnectionEvent?
        for await event in events { last = event }
        #expect(last == .closed)
        // Whoever comes too late learns that it is over.
        found = []
        for await status in nats.statuses() { found.append(status) }
        #expect(found == [.closed])
    }

    @Test func eventsNameServersAndReasons() async throws {
        let server = try await ServerProcess.start(options: .init(jetStream: false))
        defer { server.close() }
        let nowhere = "127.0.0.1:\(try FreePort.next())"
        let nats = try Self.connection("nats://u:s3cret@\(nowhere),\(server.url)")
        let events = nats.events()
        let run = Task { try await nats.run() }
        try await nats.connect()
        try await nats.drain()
        try await run.value
        var told: [String] = []
        for await event in events {
            switch event {
            case .connecting(let server): told.append("connecting \(server)")
            case .connectFailed(let server, let reason):
                told.append("failed \(server)")
                #expect(reason.contains("nothing listens"))
            case .connected(let server): told.append("connected \(server)")
            case .draining: told.append("draining")
            case .closed: told.append("closed")
            case .discovered: break
            default: Issue.record("\(event)")
            }
        }
        #expect(
            told == [
                "connecting nats://\(nowhere)", "failed nats://\(nowhere)", "connecting \(server.url)",
                "connected \(server.url)", "draining", "closed",
            ]
        )
    }

    @Test func tellsOfServersThatItLearnsOf() async throws {
        let info = #"{"server_id":"H","version":"2.11.0","max_payload":1048576,"connect_urls":"#
        let server = try HostileServer { session, _ in
            try session.greet("INFO \(info)[\"10.9.8.7:4222\"]}\r\n")
            try session.send("INFO \(info)[\"10.9.8.7:4222\",\"[fd00::1]:4222\",\"not an address\"]}\r\n")
            let many = (0..<10_000).map { "\"h\($0):1\"" }.joined(separator: ",")
            for _ in 0..<20 { try session.send("INFO \(info)[\(many)]}\r\n") }
            try session.stay()
        }
        defer { server.close() }
        let nats = try Self.connection(server.url)
        let events = nats.events()
        let run = Task { try await nats.run() }
        var found: [[String]] = []
        for await event in events {
            guard case .discovered(let servers) = event else { continue }
            found.append(servers)
            if found.count == 3 { break }
        }
        #expect(found[0] == ["10.9.8.7:4222"] && found[1] == ["[fd00::1]:4222"])
        #expect(found[2].count == ServerPool.discoveredLimit)
        try await nats.flush(timeout: .seconds(30))
        await nats.close()
        try await run.value
    }
}
