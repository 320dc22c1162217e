import Testing

@testable import NATSProtocol

@Suite struct ServerAddressTests {
    @Test(arguments: [
        ("ws://a", "ws://a:80", "", false), ("wss://a", "wss://a:443", "", true),
        ("WS://a:8080/", "ws://a:8080", "", false),
        ("wss://u:p@a:9/nats/x", "wss://a:9/nats/x", "/nats/x", true),
        ("ws://a?key=s3cret", "ws://a:80/", "/?key=s3cret", false),
        ("ws://t0k@[fe80::1%25eth0]:7/p/?q=a@b", "ws://[fe80::1%eth0]:7/p/", "/p/?q=a@b", false),
    ])
    func readsWebSockets(text: String, shown: String, path: String, encrypted: Bool) throws {
        let address = try ServerAddress(text)
        #expect(address.transport == .webSocket)
        #expect("\(address)" == shown)
        #expect(address.path == path)
        #expect(address.requiresTLS == encrypted)
        #expect(!"\(String(reflecting: address))".contains("s3cret"))
    }

    @Test(arguments: [
        ("[::1]", "::1", 4222), ("nats://[::1]:5/", "::1", 5), ("tls://[2001:db8::7]", "2001:db8::7", 4222),
        ("ws://[::1]", "::1", 80), ("wss://[::1]:8443/x", "::1", 8443),
    ])
    func readsIPv6(text: String, host: String, port: Int) throws {
        let address = try ServerAddress(text)
        #expect(address.host == host && address.port == port && address.isNumeric)
        #expect(address.endpoint == "[\(host)]:\(port)")
    }

    @Test func takesAPortOfTheCallers() throws {
        #expect(try ServerAddress("[::1]", defaultPort: 1080).port == 1080)
        #expect(try ServerAddress("a:1", defaultPort: 1080).port == 1)
    }

    @Test(arguments: [
        "ws://", "ws:///x", "ws://a/b c", "ws://a/x#y", "ws://a/\u{e9}", "ws://a/\r\nHost:x", "ws://a\r\n", "ws://::1/",
        "nats://a/path", "http://a",
    ])
    func refuses(text: String) {
        #expect(throws: ProtocolError.self) { try ServerAddress(text) }
    }

    @Test func refusesToMixTransports() throws {
        #expect(try ServerAddress.list("ws://a,wss://b").count == 2)
        #expect(try ServerAddress.list("nats://a,tls://b, c").count == 3)
        for text in ["ws://a,nats://b", "wss://a,tls://b", "a,ws://b"] {
            #expect {
                try ServerAddress.list(text)
            } throws: {
                ($0 as? ProtocolError)?.hint?.contains("ws://") == true
            }
        }
    }

    @Test func discoveredServersAreReachedAsTheOneThatTold() throws {
        var pool = ServerPool(
            servers: try ServerAddress.list("wss://u:p@gate.example/nats,wss://gate.example/other"),
            policy: ReconnectPolicy()
        )
        // One host and port, and two servers.
        #expect(pool.servers.count == 2)
        _ = pool.next(random: 0)
        pool.connected()
        #expect(pool.discovered(["10.0.0.7:8443", "gate.example:443"]) == ["10.0.0.7:8443"])
        #expect(pool.discovered(["10.0.0.7:8443"]) == [])
        let found = try #require(pool.servers.last)
        #expect("\(found)" == "wss://10.0.0.7:8443/nats")
        #expect(found.user == "u" && found.password == "p" && found.certificateName == "gate.example")
    }

    @Test func aFloodOfServersIsBounded() throws {
        var pool = ServerPool(servers: try ServerAddress.list("a,b"), policy: ReconnectPolicy())
        _ = pool.next(random: 0)
        pool.connected()
        for round in 0..<20 {
            let urls = (0..<10_000).map { "host-\(round)-\($0).example:4222" }
            #expect(pool.discovered(urls).count == ServerPool.discoveredLimit)
            #expect(pool.servers.count == ServerPool.discoveredLimit + 2)
        }
        #expect(pool.discovered(["c:1"]) == ["c:1"])
        #expect(pool.servers.map(\.host) == ["a", "b", "c"])
    }

    @Test(arguments: [false, true]) func aTransportSettlesTLSByItself(demanded: Bool) {
        var machine = ConnectionMachine(security: .transport, maximumPingsOutstanding: 2)
        var info = ServerInfo()
        info.tlsRequired = demanded
        info.tlsAvailable = demanded
        #expect(machine.event(.info(info)) == [.authenticate(nonce: nil)])
    }
}
