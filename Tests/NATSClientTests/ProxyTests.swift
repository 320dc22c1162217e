import NATSClient
import NATSProtocol
import NIOCore
import TestSupport
import Testing

/// A real SOCKS5 proxy (microsocks) between the client and the server.
@Suite struct ProxyTests {
    @Test func requestsGoThrough() async throws {
        let server = try await ServerProcess.start()
        defer { server.close() }
        let proxy = try await SOCKSProxy.start()
        defer { proxy.close() }
        for form in [proxy.address, "socks5://" + proxy.address] {
            try await withConnection(to: server.url) {
                $0.socksProxy = form
            } _: { nats in
                let reply = try await nats.request("$JS.API.INFO")
                #expect(String(buffer: reply.payload).contains("\"memory\""))
            }
        }
    }

    @Test func aProxyThatAsksForAUserIsNamed() async throws {
        let proxy = try await SOCKSProxy.start(["-u", "somebody", "-P", "secret"])
        defer { proxy.close() }
        let text = try await failure("nats://127.0.0.1:4222", by: proxy.address)
        #expect(text?.contains("asks for a user") == true)
    }

    @Test func aServerThatIsNotThereIsTheProxysAnswer() async throws {
        let proxy = try await SOCKSProxy.start()
        defer { proxy.close() }
        let text = try await failure("nats://" + SOCKSProxy.nowhere(), by: proxy.address)
        #expect(text?.contains("the SOCKS proxy found nothing that listens there") == true)
    }

    @Test func aProxyThatIsNotThereIsNamed() async throws {
        let text = try await failure("nats://127.0.0.1:4222", by: try SOCKSProxy.nowhere())
        #expect(text?.contains("the SOCKS proxy does not answer") == true)
    }

    @Test func aUserForAProxyIsRefused() async throws {
        let found = try await code {
            try await withConnection(to: "nats://127.0.0.1:4222") {
                $0.socksProxy = "socks5://somebody:secret@127.0.0.1:1080"
            } _: { _ in
            }
        }
        #expect(found == .invalidConfiguration)
    }

    /// How a connection through a proxy fails; nil if it does not, or not because of the proxy.
    private func failure(_ url: String, by proxy: String) async throws -> String? {
        do {
            try await withConnection(to: url) {
                $0.socksProxy = proxy
            } _: { _ in
            }
            return nil
        } catch let error as NATSError where error.code == .proxy {
            return error.description
        }
    }
}
