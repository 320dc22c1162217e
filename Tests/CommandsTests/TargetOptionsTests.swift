import ArgumentParser
import Testing

@testable import Commands

@Suite("Where the target of a copy is")
struct TargetOptionsTests {
    private func routes(
        _ line: String,
        environment: [String: String] = [:]
    ) throws -> (source: ConnectionOptions.Route, target: ConnectionOptions.Route) {
        let words = line.split(separator: " ").map { String($0) }
        let command = try #require(try Cistern.parseAsRoot(words) as? CopyCommand)
        let source = try command.connection.route(to: command.source.cluster, environment: environment)
        return (source, try command.targetConnection.route(to: command.target.cluster, beside: source))
    }

    @Test(
        "With nothing said of it, it is where the source is",
        arguments: [
            "copy a b", "copy east/a b", "copy a b -s nats://x:1 --user u --password p", "copy a b --context c",
        ]
    )
    func beside(line: String) throws {
        let routes = try routes(line, environment: ["NATS_CREDS": "/variable.creds"])
        #expect(routes.source == routes.target)
    }

    @Test("Named with a context of its own, nothing but the time to wait is taken from the source's connection")
    func contexts() throws {
        for line in [
            "copy a west/b -s nats://x:1 --user u --timeout 9s", "copy east/a b --target-context west --timeout 9s",
        ] {
            let target = try routes(line).target
            #expect(target.context == .named("west"))
            var expected = ConnectionSettings()
            expected.timeout = .seconds(9)
            #expect(target.settings == expected)
        }
    }

    @Test("Credentials of the source's never go to a server that is named for the target")
    func servers() throws {
        let line = "copy a b -s nats://x:1 --user u --password p --tlscert c --tlskey k --target-server nats://y:2"
        let target = try routes(line, environment: ["NATS_TOKEN": "t", "NATS_SEED": "s"]).target
        #expect(target.context == .none)
        #expect(target.settings.servers == ["nats://y:2"])
        #expect(target.settings.identity.isEmpty && target.settings.certificateKey == nil)
    }

    @Test("Another account or domain of the same servers needs only its own options")
    func sameServers() throws {
        let account = try routes("copy a b -s nats://x:1 --user u --password p --target-creds other.creds").target
        #expect(account.settings.servers == ["nats://x:1"])
        #expect(account.settings.identity.credentials == "other.creds" && account.settings.identity.user == nil)
        let domain = try routes("copy a b -s nats://x:1 --user u --js-api-prefix p --target-js-domain hub").target
        #expect(domain.settings.domain == "hub" && domain.settings.apiPrefix == nil)
        #expect(domain.settings.identity.user == "u")
    }

    @Test("Two ways to one target are refused")
    func twoWays() throws {
        for line in ["copy a west/b --target-server nats://y:2", "copy a west/b --target-context east"] {
            #expect(throws: CommandError.self) { _ = try routes(line) }
        }
    }
}
