import Crypto
import Foundation
import Logging
import NATSClient
import NATSProtocol
import NIOCore
import TestSupport
import Testing

@Suite struct AuthenticationTests {
    private static func refusal(_ url: String, _ authentication: Authentication) async throws -> NATSError? {
        do {
            try await withConnection(to: url, { $0.authentication = authentication }, { _ in })
            return nil
        } catch let error as NATSError {
            return error
        }
    }

    @Test func userAndPassword() async throws {
        let server = try await ServerProcess.start(
            options: .init(configuration: "authorization { user: \"ada\", password: \"s3cret\" }", jetStream: false)
        )
        defer { server.close() }
        #expect(try await Self.refusal(server.url, .userPassword(user: "ada", password: "s3cret")) == nil)
        #expect(try await Self.refusal("nats://ada:s3cret@127.0.0.1:\(server.port)", .none) == nil)
        let wrong = try #require(try await Self.refusal(server.url, .userPassword(user: "ada", password: "wr0ng")))
        #expect(wrong.code == .authorization)
        #expect(!"\(wrong)".contains("wr0ng"))
        #expect(try await Self.refusal(server.url, .none)?.code == .authorization)
    }

    @Test func token() async throws {
        let server = try await ServerProcess.start(
            options: .init(configuration: "authorization { token: \"t0ken\" }", jetStream: false)
        )
        defer { server.close() }
        #expect(try await Self.refusal(server.url, .token("t0ken")) == nil)
        #expect(try await Self.refusal("nats://t0ken@127.0.0.1:\(server.port)", .none) == nil)
        #expect(try await Self.refusal(server.url, .token("other"))?.code == .authorization)
    }

    @Test func nkey() async throws {
        let user = NKey(.user)
        let server = try await ServerProcess.start(
            options: .init(
                configuration: "authorization { users: [ { nkey: \"\(user.publicText)\" } ] }",
                jetStream: false
            )
        )
        defer { server.close() }
        #expect(try await Self.refusal(server.url, .nkey(seed: user.seedText)) == nil)
        #expect(try await Self.refusal(server.url, .nkey(seed: NKey(.user).seedText))?.code == .authorization)
    }

    @Test func credentialsOfAnOperator() async throws {
        let (operatorKey, account, user) = (NKey(.operator), NKey(.account), NKey(.user))
        let operatorJWT = operatorKey.token(subject: operatorKey, name: "O", type: "operator")
        let accountJWT = operatorKey.token(subject: account, name: "A", type: "account")
        let server = try await ServerProcess.start(
            options: .init(
                configuration: """
                    operator: "\(operatorJWT)"
                    resolver: MEMORY
                    resolver_preload: { \(account.publicText): "\(accountJWT)" }
                    """,
                jetStream: false
            )
        )
        defer { server.close() }
        let jwt = account.token(subject: user, name: "U", type: "user")
        let path = server.directory.file("user.creds")
        try """
        -----BEGIN NATS USER JWT-----
        \(jwt)
        ------END NATS USER JWT------

        ************************* IMPORTANT *************************
        -----BEGIN USER NKEY SEED-----
        \(user.seedText)
        ------END USER NKEY SEED------
        """.write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try await Self.refusal(server.url, .credentialsFile(path)) == nil)
        let stolen = try Authentication.credentials(jwt: jwt, seed: NKey(.user).seedText)
        #expect(try await Self.refusal(server.url, stolen)?.code == .authorization)
        #expect(!"\(stolen)".contains(jwt))
    }

    @Test func refusesDamagedSeeds() throws {
        let seed = NKey(.user).seedText
        let damaged = ["", "SU", String(seed.dropLast()), seed.lowercased(), NKey(.account).seedText]
        for text in damaged + [String(seed.dropLast(3)) + "AAA"] {
            #expect { try NKeySeed(text) } throws: { error in
                (error as? NATSError)?.code == .invalidConfiguration
                    && (text.isEmpty || !"\(error)".contains(text + " "))
            }
        }
        #expect(try !"\(NKeySeed(seed))".contains(seed))
    }

    @Test func permissionViolationsFailAtOnceAndDoNotClose() async throws {
        let server = try await ServerProcess.start(
            options: .init(
                configuration: """
                    authorization { users: [ { user: u, password: p, permissions: {
                      publish: { deny: "secret.>" }, subscribe: { deny: ["hidden.>"] } } } ] }
                    """,
                jetStream: false
            )
        )
        defer { server.close() }
        try await withConnection(to: "nats://u:p@127.0.0.1:\(server.port)") { nats in
            let start = ContinuousClock.now
            #expect(
                try await code { _ = try await nats.request("secret.a", timeout: .seconds(20)) }
                    == .permissions(subject: "secret.a")
            )
            let subscription = try await nats.subscribe("hidden.x")
            #expect(
                try await code { _ = try await subscription.next(timeout: .seconds(20)) }
                    == .permissions(subject: "hidden.x")
            )
            #expect(ContinuousClock.now - start < .seconds(10))
            try await nats.flush()
            #expect(nats.epoch == 1)
        }
    }

    @Test func readsContexts() throws {
        let folder = try TemporaryDirectory("contexts")
        defer { folder.remove() }
        try FileManager.default.createDirectory(atPath: folder.file("nats/context"), withIntermediateDirectories: true)
        try "east\n".write(toFile: folder.file("nats/context.txt"), atomically: true, encoding: .utf8)
        try """
        {"description":"d","url":"nats://a:1,tls://b","user":"u","password":"env://PW","jetstream_domain":"hub",
         "ca":"$CERTS/ca.pem","tls_first":true,"inbox_prefix":"_I","unknown":[1]}
        """.write(toFile: folder.file("nats/context/east.json"), atomically: true, encoding: .utf8)
        let environment = ["XDG_CONFIG_HOME": folder.path, "PW": "pw", "CERTS": "/certs", "HOME": "/home/x"]
        let context = try NATSContext(environment: environment)
        #expect(context.name == "east" && context.jetStreamDomain == "hub" && context.about == "d")
        #expect(context.configuration.servers.map(\.endpoint) == ["a:1", "b:4222"])
        #expect(context.configuration.tls.certificateAuthorityFile == "/certs/ca.pem")
        #expect(context.configuration.tls.mode == .first)
        #expect(context.configuration.inboxPrefix == "_I")
        #expect("\(context.configuration.authentication)" == "user u")
        #expect(throws: NATSError.self) { try NATSContext(named: "west", environment: environment) }
        #expect(throws: NATSError.self) { try NATSContext(named: "../x", environment: environment) }
    }
}
