import Foundation
import KVModel
import Logging
import TestSupport
import Testing

@testable import Daemon

@Suite("HTTP access")
struct HTTPAccessTests {
    private static let token = "0123456789abcdef0123456789abcdef"
    private static let proof = AccessRule.proofHeader

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var asked: AccessRule.Asked
        var hasToken = false
        var isSecure = false
        var host = "127.0.0.1"
        /// The code of the refusal; nil if it is allowed.
        var code: String?
        var testDescription: String { name }
    }

    private static func asked(
        _ authority: String?,
        changes: Bool = false,
        origin: String? = nil,
        site: String? = nil,
        proof: Bool = false,
        authorization: String? = nil,
        session: String? = nil,
        isOpen: Bool = false
    ) -> AccessRule.Asked {
        .init(
            changes: changes,
            isOpen: isOpen,
            authority: authority,
            origin: origin,
            fetchSite: site,
            hasProof: proof,
            authorization: authorization,
            session: session,
            now: 1_000_000_000
        )
    }

    private static let session = TokenGate(Secret(token)).session(now: 0)
    private static let cases: [Case] = [
        // Names of this machine, and a name that was rebound to it.
        Case(name: "localhost", asked: asked("localhost:8422")),
        Case(name: "IPv4", asked: asked("127.0.0.1:8422")),
        Case(name: "IPv6", asked: asked("[::1]:8422")),
        Case(name: "no port", asked: asked("LOCALHOST")),
        Case(name: "forwarded port", asked: asked("localhost:9000")),
        Case(name: "configured host", asked: asked("127.0.0.2:8422"), host: "127.0.0.2"),
        Case(name: "rebound name", asked: asked("evil.example:8422"), code: "foreign_host"),
        Case(name: "name that begins well", asked: asked("localhost.evil.example"), code: "foreign_host"),
        Case(name: "address in a name", asked: asked("127.0.0.1.evil.example:8422"), code: "foreign_host"),
        Case(name: "user part", asked: asked("localhost@evil.example"), code: "foreign_host"),
        Case(name: "odd port", asked: asked("localhost:8422x"), code: "foreign_host"),
        Case(name: "odd bracket", asked: asked("[::1]evil"), code: "foreign_host"),
        Case(name: "no host", asked: asked(nil), code: "no_host"),
        Case(name: "empty host", asked: asked(""), code: "no_host"),
        // What changes something.
        Case(name: "no proof", asked: asked("localhost:1", changes: true), code: "proof_needed"),
        Case(name: "header", asked: asked("localhost:1", changes: true, proof: true)),
        Case(name: "own origin", asked: asked("localhost:1", changes: true, origin: "http://localhost:1")),
        Case(name: "own site", asked: asked("localhost:1", changes: true, site: "same-origin")),
        Case(
            name: "foreign origin",
            asked: asked("localhost:1", changes: true, origin: "http://evil.example", proof: true),
            code: "foreign_origin"
        ),
        Case(
            name: "origin of another port",
            asked: asked("localhost:1", changes: true, origin: "http://localhost:2"),
            code: "foreign_origin"
        ),
        Case(
            name: "origin of another scheme",
            asked: asked("localhost:1", changes: true, origin: "https://localhost:1"),
            code: "foreign_origin"
        ),
        Case(
            name: "origin null",
            asked: asked("localhost:1", changes: true, origin: "null", proof: true),
            code: "foreign_origin"
        ),
        Case(name: "same site", asked: asked("localhost:1", changes: true, site: "same-site"), code: "foreign_origin"),
        Case(
            name: "foreign site",
            asked: asked("localhost:1", changes: true, site: "cross-site", proof: true),
            code: "foreign_origin"
        ),
        Case(
            name: "own origin with TLS",
            asked: asked("localhost:1", changes: true, origin: "https://localhost:1"),
            isSecure: true
        ),
        // The token.
        Case(name: "no token", asked: asked("localhost:1"), hasToken: true, code: "token_needed"),
        Case(name: "open path", asked: asked("localhost:1", isOpen: true), hasToken: true),
        Case(name: "token", asked: asked("localhost:1", authorization: "Bearer " + token), hasToken: true),
        Case(name: "small letters", asked: asked("localhost:1", authorization: "bearer " + token), hasToken: true),
        Case(
            name: "longer token",
            asked: asked("localhost:1", authorization: "Bearer " + token + "0"),
            hasToken: true,
            code: "token_needed"
        ),
        Case(
            name: "shorter token",
            asked: asked("localhost:1", authorization: "Bearer " + token.dropLast()),
            hasToken: true,
            code: "token_needed"
        ),
        Case(
            name: "empty token",
            asked: asked("localhost:1", authorization: "Bearer "),
            hasToken: true,
            code: "token_needed"
        ),
        Case(
            name: "another way",
            asked: asked("localhost:1", authorization: "Basic " + token),
            hasToken: true,
            code: "token_needed"
        ),
        Case(
            name: "token is proof",
            asked: asked("localhost:1", changes: true, authorization: "Bearer " + token),
            hasToken: true
        ),
        Case(name: "session", asked: asked("localhost:1", session: session), hasToken: true),
        Case(
            name: "session is no proof",
            asked: asked("localhost:1", changes: true, session: session),
            hasToken: true,
            code: "proof_needed"
        ),
        Case(
            name: "session of another token",
            asked: asked("localhost:1", session: TokenGate(Secret("another token, as long")).session(now: 0)),
            hasToken: true,
            code: "token_needed"
        ),
        Case(
            name: "session made longer",
            asked: asked("localhost:1", session: "9" + session),
            hasToken: true,
            code: "token_needed"
        ),
        Case(
            name: "session that ended",
            asked: asked("localhost:1", session: TokenGate(Secret(token)).session(now: -700_000_000_000_000)),
            hasToken: true,
            code: "token_needed"
        ),
        Case(name: "no session", asked: asked("localhost:1", session: "."), hasToken: true, code: "token_needed"),
        // From elsewhere there is always a token; names of the machine are not known there.
        Case(
            name: "from elsewhere",
            asked: asked("status.example", authorization: "Bearer " + token),
            hasToken: true,
            isSecure: true,
            host: "0.0.0.0"
        ),
        Case(
            name: "from elsewhere without it",
            asked: asked("status.example"),
            hasToken: true,
            isSecure: true,
            host: "0.0.0.0",
            code: "token_needed"
        ),
    ]

    @Test("Who is let in", arguments: cases)
    func rule(_ example: Case) {
        let gate = example.hasToken ? TokenGate(Secret(Self.token)) : nil
        let rule = AccessRule(host: example.host, isSecure: example.isSecure, token: gate)
        #expect(rule.refusal(of: example.asked)?.code == example.code)
    }

    @Test(
        "Only loopback may do without a token and TLS",
        arguments: ["0.0.0.0", "::", "192.168.1.5", "example.com", "127.0.0.1.example.com", "128.0.0.1", ""]
    )
    func elsewhere(host: String) throws {
        var settings = HTTPSettings()
        settings.host = host
        for (token, certificate) in [(nil, nil), (Self.token, nil), (nil, "/c.pem")] {
            settings.token = token.map { Secret($0) }
            settings.certificate = certificate
            settings.key = certificate
            let error = #expect(throws: DaemonError.self) { try settings.accessRule() }
            #expect(error?.code == .configuration)
            #expect(error?.description.contains("listen on 127.0.0.1") == true)
        }
        settings.token = Secret(Self.token)
        settings.certificate = "/c.pem"
        settings.key = "/k.pem"
        #expect(throws: Never.self) { try settings.accessRule() }
        #expect(throws: DaemonError.self) { try settings.tls() }
    }

    @Test("Loopback needs neither", arguments: ["127.0.0.1", "localhost", "::1", "[::1]", "127.1.2.3"])
    func loopback(host: String) throws {
        var settings = HTTPSettings()
        settings.host = host
        #expect(try settings.accessRule().token == nil)
        #expect(try settings.tls() == nil)
        settings.token = Secret("short")
        #expect(throws: DaemonError.self) { try settings.accessRule() }
        settings.token = nil
        settings.key = "/k.pem"
        #expect(throws: DaemonError.self) { try settings.accessRule() }
    }

    @Test("A face is refused before it listens")
    func refusedFace() async throws {
        var settings = HTTPSettings()
        settings.host = "0.0.0.0"
        #expect(throws: DaemonError.self) {
            try HTTPFace(settings, control: StandInDaemon(), logger: .init(label: "test"))
        }
    }

    @Test("The rule stands before every path of a face")
    func overHTTP() async throws {
        let daemon = StandInDaemon()
        let face = try await RunningFace(daemon)
        for path in ["/", "/api/v1/status", "/metrics", "/healthz", "/jobs/nightly", "/nowhere"] {
            #expect(try await face.ask(path, headers: [("Host", "evil.example")]).status == 403)
        }
        for path in ["/jobs/nightly/run", "/api/v1/jobs/nightly/pause"] {
            #expect(try await face.ask(path, method: "POST").status == 403)
            let foreign = try await face.ask(
                path,
                method: "POST",
                headers: [("Origin", "http://evil.example"), (Self.proof, "1")]
            )
            #expect(foreign.status == 403)
        }
        #expect(await daemon.told.isEmpty)
        let own = [("Origin", "http://127.0.0.1:\(face.port)")]
        let posted = try await face.ask("/api/v1/jobs/nightly/run", method: "POST", headers: own)
        #expect(posted.status == 202)
        #expect(await daemon.told == ["run nightly"])
        try await face.stop()
    }
}
