import NATSClient
import NATSProtocol

/// Where a cluster's settings lead, with everything that was read on the way.
struct ClusterTarget: Sendable {
    var configuration: ConnectionConfiguration
    var domain: String?
    var apiPrefix: String?
}

extension ClusterSettings {
    /// What of the settings a connection depends on; limits of runs are none of it.
    var connecting: ClusterSettings {
        var copy = self
        (copy.concurrency, copy.bytesPerSecond) = (nil, nil)
        return copy
    }

    /// Reads the context and the files that the settings name, and lays the settings over the context.
    ///
    /// - Parameters:
    ///   - environment: the program's variables, for the place of contexts and what they refer to.
    ///   - version: the program's version, told to servers.
    func target(environment: [String: String], version: String) throws -> ClusterTarget {
        var target: ClusterTarget
        if let context {
            let found = try NATSContext(named: context, environment: environment)
            target = ClusterTarget(
                configuration: found.configuration,
                domain: found.jetStreamDomain,
                apiPrefix: found.jetStreamAPIPrefix
            )
        } else {
            target = ClusterTarget(configuration: try ConnectionConfiguration("nats://127.0.0.1:4222"))
        }
        try lay(over: &target.configuration)
        target.configuration.clientVersion = version
        // A domain is a short way of naming a prefix: the two are one setting.
        if domain != nil || apiPrefix != nil {
            target.domain = domain
            target.apiPrefix = apiPrefix
        }
        return target
    }

    private func lay(over configuration: inout ConnectionConfiguration) throws {
        if !servers.isEmpty {
            configuration.servers = try ConnectionConfiguration(servers.joined(separator: ",")).servers
        }
        configuration.name = configuration.name ?? "cistern"
        if let identity = try authentication() { configuration.authentication = identity }
        if let ca = tls.ca { configuration.tls.certificateAuthorityFile = ca }
        if let certificate = tls.certificate { configuration.tls.certificateFile = certificate }
        if let key = tls.key { configuration.tls.keyFile = key }
        if tls.first {
            configuration.tls.mode = .first
        } else if configuration.tls.mode == .automatic,
            configuration.tls.certificateAuthorityFile != nil || configuration.tls.certificateFile != nil
        {
            // Whoever names authorities or a certificate means TLS, as with the `nats` CLI.
            configuration.tls.mode = .required
        }
        if let timeout {
            configuration.connectTimeout = .nanoseconds(timeout)
            configuration.requestTimeout = .nanoseconds(timeout)
        }
        if let inboxPrefix { configuration.inboxPrefix = inboxPrefix }
        if let socksProxy { configuration.socksProxy = socksProxy }
    }

    /// What the client proves itself with; nil if the settings do not say, and the context's counts.
    private func authentication() throws -> Authentication? {
        if let user {
            // As with the `nats` CLI, a user without a password is a token.
            guard let password else { return .token(user) }
            return .userPassword(user: user, password: password.value)
        }
        if let credentials { return try .credentialsFile(credentials) }
        if let nkey { return try .nkeyFile(nkey) }
        return token.map { .token($0.value) }
    }
}
