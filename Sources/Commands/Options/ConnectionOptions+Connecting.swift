import Foundation
import JetStream
import KeyValue
import NATSClient
import NATSProtocol

extension ConnectionOptions {
    /// Connects and gives the buckets of a cluster, or of the default connection, to `body`.
    func withBuckets<Result: Sendable>(
        of cluster: String? = nil,
        _ console: Console,
        _ body: (Buckets) async throws -> Result
    ) async throws -> Result {
        try await route(to: cluster, environment: console.environment).withBuckets(console, body)
    }
}

extension ConnectionOptions.Route {
    /// Connects and gives the buckets at the end of the route to `body`.
    func withBuckets<Result: Sendable>(
        _ console: Console,
        _ body: (Buckets) async throws -> Result
    ) async throws -> Result {
        let target = try target(console.environment)
        return try await Connection.withConnection(target.configuration, logger: console.logger()) { connection in
            try await body(
                Buckets(
                    JetStreamContext(
                        connection,
                        domain: target.domain,
                        apiPrefix: target.apiPrefix,
                        timeout: target.configuration.requestTimeout
                    )
                )
            )
        }
    }
}

extension ConnectionOptions.Route {
    /// Where a route leads, with everything that was read on the way.
    struct Target: Sendable {
        var configuration: ConnectionConfiguration
        var domain: String?
        var apiPrefix: String?
    }

    /// Reads the context and lays the settings over it.
    func target(_ environment: [String: String]) throws -> Target {
        var target: Target
        if let name = context(environment) {
            let found = try NATSContext(named: name, environment: environment)
            target = Target(
                configuration: found.configuration,
                domain: found.jetStreamDomain,
                apiPrefix: found.jetStreamAPIPrefix
            )
        } else {
            target = Target(configuration: try ConnectionConfiguration("nats://127.0.0.1:4222"))
        }
        try settings.lay(over: &target.configuration)
        // A domain is a short way of naming a prefix: the two are one setting.
        if settings.domain != nil || settings.apiPrefix != nil {
            target.domain = settings.domain
            target.apiPrefix = settings.apiPrefix
        }
        return target
    }

    private func context(_ environment: [String: String]) -> String? {
        switch context {
        case .none: return nil
        case .named(let name): return name
        case .selected:
            let home = environment["HOME"].map { "\($0)/.config" }
            let configured = environment["XDG_CONFIG_HOME"].flatMap { $0.isEmpty ? nil : $0 }
            guard let folder = configured ?? home,
                let data = FileManager.default.contents(atPath: "\(folder)/nats/context.txt")
            else { return nil }
            let name = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
            return name.isEmpty ? nil : name
        }
    }
}

extension ConnectionSettings {
    /// Changes a configuration where these settings say something.
    func lay(over configuration: inout ConnectionConfiguration) throws {
        if let servers {
            configuration.servers = try ConnectionConfiguration(servers.joined(separator: ",")).servers
        }
        configuration.name = connectionName ?? configuration.name ?? "cistern"
        configuration.clientVersion = Cistern.version
        if !identity.isEmpty { configuration.authentication = try identity.authentication() }
        if let authorities { configuration.tls.certificateAuthorityFile = authorities }
        if let certificate { configuration.tls.certificateFile = certificate }
        if let certificateKey { configuration.tls.keyFile = certificateKey }
        if tlsFirst == true {
            configuration.tls.mode = .first
        } else if configuration.tls.mode == .automatic,
            configuration.tls.certificateAuthorityFile != nil || configuration.tls.certificateFile != nil
        {
            // Whoever names authorities or a certificate means TLS, as with the `nats` CLI.
            configuration.tls.mode = .required
        }
        if let timeout {
            configuration.connectTimeout = timeout
            configuration.requestTimeout = timeout
        }
        if let inboxPrefix { configuration.inboxPrefix = inboxPrefix }
        if let socksProxy { configuration.socksProxy = socksProxy }
    }
}

extension ConnectionSettings.Identity {
    /// What the client proves itself with; of several, the one that the `nats` CLI would take, and the token beside it.
    func authentication() throws -> Authentication {
        let identity = try provenIdentity()
        return token.map { identity.adding(token: $0) } ?? identity
    }

    private func provenIdentity() throws -> Authentication {
        if let user {
            // As with the `nats` CLI, a user without a password is a token.
            guard let password else { return .token(user) }
            return .userPassword(user: user, password: password)
        }
        if let credentials { return try .credentialsFile(credentials) }
        if let nkey { return try .nkeyFile(nkey) }
        if let jwt { return try .credentials(jwt: jwt, seed: seed) }
        if token != nil { return .none }
        throw CommandError(
            .usage,
            text: password == nil ? "a seed is given without its JWT" : "a password is given without a user",
            hint: password == nil ? "give --jwt as well (NATS_JWT), or --creds" : "give --user as well"
        )
    }
}
