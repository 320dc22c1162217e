import ArgumentParser
import NATSClient
import Testing

@testable import Commands

/// Flags that the `nats` command has as well, some of them by other names.
@Suite("Connection flags")
struct ConnectionFlagsTests {
    private func settings(_ line: String, _ environment: [String: String] = [:]) throws -> ConnectionSettings {
        try ConnectionOptions.parse(line.split(separator: " ").map { String($0) })
            .route(to: nil, environment: environment).settings
    }

    @Test("A JWT and its seed come from flags, over those of variables")
    func jwtAndSeed() throws {
        let variables = ["NATS_JWT": "env.j.w", "NATS_SEED": "ENV"]
        #expect(try settings("", variables).identity == .init(jwt: "env.j.w", seed: "ENV"))
        #expect(try settings("--jwt a.b.c --seed SU", variables).identity == .init(jwt: "a.b.c", seed: "SU"))
        #expect(try settings("--jwt a.b.c").identity == .init(jwt: "a.b.c"))
        #expect(try "\(settings("--jwt a.b.c").identity.authentication())" == "JWT")
        #expect { try settings("--seed SU").identity.authentication() } throws: { "\($0)".contains("JWT") }
    }

    @Test("A token goes beside whatever else says who we are")
    func tokens() throws {
        #expect(try "\(settings("--token t").identity.authentication())" == "token")
        #expect(try "\(settings("--user u --password p --token t").identity.authentication())" == "user u and token")
        #expect(try "\(settings("--jwt a.b.c --token t").identity.authentication())" == "JWT and token")
    }

    @Test("Other names of the nats command are taken, and not shown")
    func otherNames() throws {
        #expect(try settings("--tls-first").tlsFirst == true)
        #expect(try settings("--tlsfirst").tlsFirst == true)
        #expect(try settings("").tlsFirst == nil)
        #expect(try settings("--domain hub").domain == "hub")
        #expect(throws: (any Error).self) { try settings("--domain hub --js-domain hub") }
        #expect(throws: (any Error).self) { try settings("--domain hub --js-api-prefix P") }
        let help = ConnectionOptions.helpMessage()
        #expect(help.contains("--jwt") && help.contains("--seed") && help.contains("--js-domain"))
        #expect(!help.contains("--tls-first") && !help.contains("  --domain"))
    }
}
