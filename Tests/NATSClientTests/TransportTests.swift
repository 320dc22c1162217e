import NATSClient
import NATSProtocol
import NIOCore
import TestSupport
import Testing

/// Every way to a server: by which transport, encrypted when, directly or through a proxy.
@Suite struct TransportTests {
    typealias Mode = TLSOptions.Mode

    /// One way, and what becomes of it: nil if it leads to the server.
    struct Way: Sendable {
        var url: String
        var mode = Mode.automatic
        var authority: String?
        var trustsAnybody = false
        var code: NATSError.Code?

        init(_ url: String, _ mode: Mode = .automatic, fails code: NATSError.Code? = nil) {
            self.url = url
            self.mode = mode
            self.code = code
        }
    }

    private static func check(_ ways: [Way], authority: String? = nil, proxies: [String?]) async throws {
        for way in ways {
            for proxy in proxies {
                let found = try await code {
                    try await withConnection(
                        to: way.url,
                        {
                            $0.connectTimeout = .milliseconds(way.code == .unreachable ? 700 : 5_000)
                            $0.tls.mode = way.mode
                            $0.tls.certificateAuthorityFile = way.authority ?? authority
                            $0.tls.disablesVerification = way.trustsAnybody
                            $0.socksProxy = proxy
                        },
                        { nats in
                            let subscription = try await nats.subscribe("echo")
                            try await nats.publish("echo", payload: ByteBuffer(repeating: 7, count: 70_000))
                            let batch = try #require(try await subscription.next(timeout: .seconds(20)))
                            #expect(batch[0].payload.readableBytes == 70_000)
                        }
                    )
                }
                #expect(found == way.code, "\(way.url) \(way.mode) by \(proxy ?? "no proxy")")
            }
        }
    }

    @Test func withoutTLS() async throws {
        let port = try FreePort.next()
        let web = try FreePort.next()
        let server = try await ServerProcess.start(
            options: .init(
                configuration: """
                    listen: "[::]:\(port)"
                    websocket { listen: "[::]:\(web)", no_tls: true }
                    """,
                jetStream: false
            )
        )
        defer { server.close() }
        let proxy = try await SOCKSProxy.start()
        defer { proxy.close() }
        let ways = ["127.0.0.1", "[::1]", "localhost"].flatMap { host in
            [Way("nats://\(host):\(port)"), Way("ws://\(host):\(web)"), Way("ws://\(host):\(web)/any/path?x=1")]
        }
        try await Self.check(ways, proxies: [nil, proxy.address, "socks5h://\(proxy.address)"])
        let refused: [Way] = [
            Way("tls://localhost:\(port)", fails: .tls), Way("nats://localhost:\(port)", .required, fails: .tls),
            Way("wss://localhost:\(web)", fails: .tls), Way("ws://localhost:\(web)", .required, fails: .tls),
            Way("ws://localhost:\(web)", .first, fails: .tls), Way("nats://localhost:\(web)", fails: .unreachable),
            Way("ws://localhost:\(port)", fails: .protocolViolation),
        ]
        try await Self.check(refused, proxies: [nil, proxy.address])
    }

    @Test func withTLS() async throws {
        let folder = try await TestCertificates.make()
        defer { folder.remove() }
        let port = try FreePort.next()
        let web = try FreePort.next()
        let tls = "tls { cert_file: \"\(folder.file("server.pem"))\", key_file: \"\(folder.file("server.key"))\" }"
        let server = try await ServerProcess.start(
            options: .init(
                configuration: """
                    listen: "[::]:\(port)"
                    websocket { listen: "[::]:\(web)", \(tls) }
                    \(tls)
                    """,
                jetStream: false
            )
        )
        defer { server.close() }
        let proxy = try await SOCKSProxy.start()
        defer { proxy.close() }
        let authority = folder.file("ca.pem")
        // By name, through the proxy as well.
        let named: [Way] = [
            Way("nats://localhost:\(port)"), Way("tls://localhost:\(port)"), Way("nats://localhost:\(port)", .required),
            Way("nats://localhost:\(port)", .first, fails: .tls), Way("wss://localhost:\(web)"),
            Way("ws://localhost:\(web)", .required), Way("ws://localhost:\(web)", .first),
            Way("wss://localhost:\(web)", .first),
            Way("ws://localhost:\(web)", fails: .unreachable),
        ]
        try await Self.check(named, authority: authority, proxies: [nil, proxy.address])
        // By address: a certificate is checked against it, which a proxy hides.
        var numeric = ["127.0.0.1", "[::1]"].flatMap { [Way("tls://\($0):\(port)"), Way("wss://\($0):\(web)")] }
        try await Self.check(numeric, authority: authority, proxies: [nil])
        for index in numeric.indices { numeric[index].code = .tls }
        try await Self.check(numeric, authority: authority, proxies: [proxy.address])
        for index in numeric.indices {
            numeric[index].code = nil
            numeric[index].trustsAnybody = true
        }
        try await Self.check(numeric, proxies: [nil, proxy.address])
        // Of another authority.
        let untrusted = [Way("tls://localhost:\(port)", fails: .tls), Way("wss://localhost:\(web)", fails: .tls)]
        try await Self.check(untrusted, authority: folder.file("other.pem"), proxies: [nil, proxy.address])
    }

    @Test func withTLSFirst() async throws {
        let folder = try await TestCertificates.make()
        defer { folder.remove() }
        let port = try FreePort.next()
        let server = try await ServerProcess.start(
            options: .init(
                configuration: """
                    listen: "[::]:\(port)"
                    tls { cert_file: "\(folder.file("server.pem"))", key_file: "\(folder.file("server.key"))"
                      handshake_first: true }
                    """,
                jetStream: false
            )
        )
        defer { server.close() }
        let proxy = try await SOCKSProxy.start()
        defer { proxy.close() }
        try await Self.check(
            [Way("nats://localhost:\(port)", .first), Way("tls://localhost:\(port)", fails: .unreachable)],
            authority: folder.file("ca.pem"),
            proxies: [nil, proxy.address]
        )
        try await Self.check([Way("nats://[::1]:\(port)", .first)], authority: folder.file("ca.pem"), proxies: [nil])
    }

    @Test func aClientCertificateByWebSocket() async throws {
        let folder = try await TestCertificates.make()
        defer { folder.remove() }
        let web = try FreePort.next()
        let server = try await ServerProcess.start(
            options: .init(
                configuration: """
                    websocket { listen: "127.0.0.1:\(web)"
                      tls { cert_file: "\(folder.file("server.pem"))", key_file: "\(folder.file("server.key"))"
                        ca_file: "\(folder.file("ca.pem"))", verify: true } }
                    """,
                jetStream: false
            )
        )
        defer { server.close() }
        for shows in [true, false] {
            let found = try await code {
                try await withConnection(to: "wss://127.0.0.1:\(web)") {
                    $0.tls.certificateAuthorityFile = folder.file("ca.pem")
                    guard shows else { return }
                    $0.tls.certificateFile = folder.file("client.pem")
                    $0.tls.keyFile = folder.file("client.key")
                } _: {
                    try await $0.flush()
                }
            }
            #expect(found == (shows ? nil : .tls))
        }
    }

    @Test func aProxyByIPv6() async throws {
        let server = try await ServerProcess.start(options: .init(jetStream: false))
        defer { server.close() }
        let found = try await code {
            try await withConnection(to: server.url) {
                $0.socksProxy = "socks5://[::1]:\(server.port)"
            } _: { _ in
            }
        }
        // Nobody listens there, which the address was understood for.
        #expect(found == .proxy)
    }
}
