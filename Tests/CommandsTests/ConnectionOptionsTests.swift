import ArgumentParser
import Foundation
import KVModel
import NATSClient
import NATSProtocol
import Testing

@testable import Commands

@Suite("Connection options")
struct ConnectionOptionsTests {
    private func options(_ line: String) throws -> ConnectionOptions {
        try ConnectionOptions.parse(line.split(separator: " ").map { String($0) })
    }

    @Test("Flags count over variables")
    func flagsOverVariables() throws {
        let variables = [
            "NATS_URL": "nats://env:1", "NATS_TIMEOUT": "9s", "NATS_CA": "/env/ca", "NATS_SOCKS_PROXY": "env:1080",
            "NATS_CERT": "/env/cert", "NATS_KEY": "/env/key",
        ]
        let plain = try options("").route(to: nil, environment: variables)
        #expect(plain.settings.servers == ["nats://env:1"])
        #expect(plain.settings.timeout == .seconds(9))
        #expect(plain.settings.authorities == "/env/ca")
        #expect(plain.settings.certificate == "/env/cert" && plain.settings.certificateKey == "/env/key")
        #expect(plain.settings.socksProxy == "env:1080")
        #expect(plain.context == .selected)
        let flagged = try options("-s a,b --timeout 2s --tlsca /flag/ca --js-domain d --inbox-prefix i --tlsfirst")
            .route(to: nil, environment: variables)
        #expect(flagged.settings.servers == ["a", "b"])
        #expect(flagged.settings.timeout == .seconds(2))
        #expect(flagged.settings.authorities == "/flag/ca")
        #expect(flagged.settings.certificate == "/env/cert")
        #expect(flagged.settings.domain == "d" && flagged.settings.inboxPrefix == "i")
        #expect(flagged.settings.tlsFirst == true)
    }

    @Test("Empty variables say nothing, wrong ones are errors")
    func variables() throws {
        #expect(try ConnectionSettings(environment: ["NATS_URL": "", "NATS_USER": ""]) == ConnectionSettings())
        #expect(throws: ModelError.self) { try ConnectionSettings(environment: ["NATS_TIMEOUT": "soon"]) }
    }

    @Test(
        "The context is the named one, else the variable's, else the selected one",
        arguments: [
            ("--context flag", ["NATS_CONTEXT": "env"], ConnectionOptions.Route.Context.named("flag")),
            ("", ["NATS_CONTEXT": "env"], .named("env")), ("", ["NATS_CONTEXT": ""], .selected), ("", [:], .selected),
            ("--no-context", ["NATS_CONTEXT": "env"], .none),
        ] as [(String, [String: String], ConnectionOptions.Route.Context)]
    )
    func contexts(line: String, environment: [String: String], context: ConnectionOptions.Route.Context) throws {
        #expect(try options(line).route(to: nil, environment: environment).context == context)
    }

    @Test("A cluster named with a bucket is its context and nothing else")
    func clusters() throws {
        let route = try options("-s flag --user u --context c --timeout 3s").route(
            to: "east",
            environment: ["NATS_URL": "env", "NATS_CONTEXT": "x"]
        )
        #expect(route.context == .named("east"))
        #expect(route.settings.servers == nil && route.settings.identity.isEmpty)
        #expect(route.settings.timeout == .seconds(3))
    }

    @Test("Who we are comes from one source, halves of a pair excepted")
    func identities() {
        typealias Identity = ConnectionSettings.Identity
        let user = Identity(user: "u", password: "p")
        #expect(Identity(credentials: "c").over(user) == Identity(credentials: "c"))
        #expect(Identity().over(user) == user)
        #expect(Identity(user: "u").over(user) == user)
        #expect(Identity(user: "other").over(user) == Identity(user: "other"))
        #expect(Identity(password: "new").over(user) == Identity(user: "u", password: "new"))
        #expect(Identity(user: "u").over(Identity(password: "p")) == user)
        #expect(Identity(token: "t").over(user) == Identity(token: "t"))
    }

    @Test("A user without a password is a token, as with the nats CLI; a lone half is an error")
    func authentication() throws {
        typealias Identity = ConnectionSettings.Identity
        #expect(try Identity(user: "u", password: "p").authentication().description == "user u")
        #expect(try Identity(user: "u").authentication().description == "token")
        #expect(try Identity(token: "t").authentication().description == "token")
        #expect(throws: CommandError.self) { try Identity(password: "p").authentication() }
        #expect(throws: NATSError.self) { try Identity(credentials: "/does/not/exist").authentication() }
    }

    @Test("Settings are laid over a context, and over the server on this machine")
    func targets() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("cistern-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let contexts = folder.appendingPathComponent("nats/context")
        try FileManager.default.createDirectory(at: contexts, withIntermediateDirectories: true)
        let context =
            #"{"url":"nats://ctx:4000","user":"cu","password":"secret","jetstream_domain":"hub","ca":"/ctx/ca"}"#
        try Data(context.utf8).write(to: contexts.appendingPathComponent("east.json"))
        var environment = ["XDG_CONFIG_HOME": folder.path]

        let unselected = try options("").route(to: nil, environment: environment).target(environment)
        #expect(unselected.configuration.servers.map(\.description) == ["nats://127.0.0.1:4222"])
        #expect(unselected.configuration.tls.mode == .automatic)
        #expect(unselected.domain == nil)

        try Data("east\n".utf8).write(to: folder.appendingPathComponent("nats/context.txt"))
        let selected = try options("").route(to: nil, environment: environment).target(environment)
        #expect(selected.configuration.servers.map(\.description) == ["nats://ctx:4000"])
        #expect(selected.configuration.authentication.description == "user cu")
        #expect(selected.configuration.tls.mode == .required)
        #expect(selected.domain == "hub")

        environment["NATS_URL"] = "nats://env:5000"
        let mixed = try options("--user fu --password x --js-api-prefix $JS.a.API --tlsfirst --timeout 7s")
            .route(to: nil, environment: environment).target(environment)
        #expect(mixed.configuration.servers.map(\.description) == ["nats://env:5000"])
        #expect(mixed.configuration.authentication.description == "user fu")
        #expect(mixed.configuration.tls.mode == .first)
        #expect(mixed.configuration.tls.certificateAuthorityFile == "/ctx/ca")
        #expect(mixed.domain == nil && mixed.apiPrefix == "$JS.a.API")
        #expect(mixed.configuration.requestTimeout == .seconds(7))

        let bare = try options("--no-context").route(to: nil, environment: environment).target(environment)
        #expect(bare.configuration.authentication.description == "none")
        #expect(throws: NATSError.self) {
            try options("--context west").route(to: nil, environment: environment).target(environment)
        }
    }
}
