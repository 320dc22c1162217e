import Logging
import NATSClient
import NATSProtocol
import NIOCore
import TestSupport
import Testing

@Suite struct TLSTests {
    private static func server(
        _ folder: TemporaryDirectory,
        certificate: String = "server",
        more: String = ""
    ) async throws -> ServerProcess {
        let tls = """
            tls { cert_file: "\(folder.file(certificate + ".pem"))", key_file: "\(folder.file(certificate + ".key"))"
              \(more) }
            """
        return try await ServerProcess.start(options: .init(configuration: tls, jetStream: false))
    }

    /// Connects, sends a ping, and returns what went wrong.
    private static func attempt(
        _ url: String,
        _ change: (inout ConnectionConfiguration) -> Void
    ) async throws -> NATSError? {
        do {
            try await withConnection(
                to: url,
                {
                    $0.connectTimeout = .seconds(2)
                    change(&$0)
                },
                { try await $0.flush() }
            )
            return nil
        } catch let error as NATSError {
            return error
        }
    }

    @Test func upgradesAndVerifies() async throws {
        let folder = try await TestCertificates.make()
        defer { folder.remove() }
        let server = try await Self.server(folder)
        defer { server.close() }
        let authority = folder.file("ca.pem")
        for url in [server.url, "tls://localhost:\(server.port)"] {
            #expect(try await Self.attempt(url) { $0.tls.certificateAuthorityFile = authority } == nil)
        }
        let untrusted = try #require(
            try await Self.attempt(server.url) { $0.tls.certificateAuthorityFile = folder.file("other.pem") }
        )
        #expect(untrusted.code == .tls)
        #expect(untrusted.hint?.contains("CA file") == true)
        #expect(try await Self.attempt(server.url) { $0.tls.disablesVerification = true } == nil)
        let early = try #require(
            try await Self.attempt(server.url) {
                $0.tls.mode = .first
                $0.tls.certificateAuthorityFile = authority
            }
        )
        #expect(early.code == .tls)
        #expect(early.hint?.contains("TLS first") == true)
        let missing = try await Self.attempt(server.url) { $0.tls.certificateAuthorityFile = "/nonexistent.pem" }
        #expect(missing?.code == .invalidConfiguration)
    }

    @Test func verifiesTheHost() async throws {
        let folder = try await TestCertificates.make()
        defer { folder.remove() }
        let server = try await Self.server(folder, certificate: "elsewhere")
        defer { server.close() }
        for url in [server.url, "nats://localhost:\(server.port)"] {
            let error = try #require(
                try await Self.attempt(url) { $0.tls.certificateAuthorityFile = folder.file("ca.pem") }
            )
            #expect(error.code == .tls)
            #expect(error.hint?.contains("name") == true)
        }
    }

    @Test func speaksTLSFirst() async throws {
        let folder = try await TestCertificates.make()
        defer { folder.remove() }
        let server = try await Self.server(folder, more: "handshake_first: true")
        defer { server.close() }
        let authority = folder.file("ca.pem")
        let first = try await Self.attempt(server.url) {
            $0.tls.mode = .first
            $0.tls.certificateAuthorityFile = authority
        }
        #expect(first == nil)
        // The server gives up after 2 s: once it is the first to lose patience, once we are.
        for patience in [Duration.seconds(1), .seconds(10)] {
            let plain = try #require(
                try await Self.attempt(server.url) {
                    $0.connectTimeout = patience
                    $0.tls.certificateAuthorityFile = authority
                }
            )
            #expect(plain.code == .unreachable)
            #expect(plain.hint?.contains("handshake_first") == true)
        }
    }

    @Test func showsAClientCertificate() async throws {
        let folder = try await TestCertificates.make()
        defer { folder.remove() }
        let server = try await Self.server(folder, more: "verify: true, ca_file: \"\(folder.file("ca.pem"))\"")
        defer { server.close() }
        let shown = try await Self.attempt(server.url) {
            $0.tls.certificateAuthorityFile = folder.file("ca.pem")
            $0.tls.certificateFile = folder.file("client.pem")
            $0.tls.keyFile = folder.file("client.key")
        }
        #expect(shown == nil)
        let hidden = try #require(
            try await Self.attempt(server.url) { $0.tls.certificateAuthorityFile = folder.file("ca.pem") }
        )
        #expect(hidden.code == .tls)
        #expect(hidden.hint?.contains("client certificate") == true)
    }

    @Test func refusesAServerWithoutTLS() async throws {
        let server = try await ServerProcess.start(options: .init(jetStream: false))
        defer { server.close() }
        #expect(try await Self.attempt("tls://127.0.0.1:\(server.port)") { _ in }?.code == .tls)
        #expect(try await Self.attempt(server.url) { $0.tls.mode = .required }?.code == .tls)
    }
}
