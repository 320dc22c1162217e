import ArgumentParser
import KVModel

/// How to reach the server: the options of the `nats` CLI, with its environment variables and contexts.
struct ConnectionOptions: ParsableArguments, Sendable {
    @Option(name: .shortAndLong, help: "Servers, separated by commas (NATS_URL).")
    var server: String?

    @Option(help: "User name, or a token if there is no password (NATS_USER).")
    var user: String?

    @Option(help: "Password (NATS_PASSWORD, which other users of this machine cannot see).")
    var password: String?

    @Option(help: "Token (NATS_TOKEN).")
    var token: String?

    @Option(help: "Credentials file with JWT and seed (NATS_CREDS).", completion: .file())
    var creds: String?

    @Option(help: "File with an nkey seed (NATS_NKEY).", completion: .file())
    var nkey: String?

    @Option(help: "User JWT (NATS_JWT, which other users of this machine cannot see).")
    var jwt: String?

    @Option(help: "Seed that proves the JWT (NATS_SEED, which other users of this machine cannot see).")
    var seed: String?

    @Option(name: .customLong("tlscert"), help: "Client certificate, PEM (NATS_CERT).", completion: .file())
    var certificate: String?

    @Option(name: .customLong("tlskey"), help: "Key of the client certificate, PEM (NATS_KEY).", completion: .file())
    var certificateKey: String?

    @Option(name: .customLong("tlsca"), help: "Authorities to trust, PEM (NATS_CA).", completion: .file())
    var authorities: String?

    @Flag(name: .customLong("tlsfirst"), help: "Begin with TLS, before the server's greeting.")
    var tlsFirst = false

    @Flag(name: .customLong("tls-first"), help: .hidden)
    var tlsFirstBesides = false

    @Option(
        help: "How long a request may take, for example 10s (NATS_TIMEOUT; default 5s).",
        transform: DurationArgument.parse
    )
    var timeout: Duration?

    @Option(help: "SOCKS5 proxy, host:port (NATS_SOCKS_PROXY).")
    var socksProxy: String?

    @Option(name: .customLong("js-domain"), help: "JetStream domain.")
    var domain: String?

    @Option(name: .customLong("domain"), help: .hidden)
    var domainBesides: String?

    @Option(name: .customLong("js-api-prefix"), help: "Prefix of the JetStream API, for imports from other accounts.")
    var apiPrefix: String?

    @Option(help: "What reply subjects begin with.")
    var inboxPrefix: String?

    @Option(help: "What the connection is called on the server.")
    var connectionName: String?

    @Option(help: "The `nats` CLI context to use (NATS_CONTEXT; default: the selected one).")
    var context: String?

    @Flag(help: "Use no context, not even the selected one.")
    var noContext = false

    /// Refuses a context that is asked for and forbidden at once.
    func validate() throws {
        if noContext, context != nil { throw ValidationError("Give --context or --no-context, not both.") }
        if domain != nil, domainBesides != nil {
            throw ValidationError("--domain is another name of --js-domain: give one of them.")
        }
        if domain ?? domainBesides != nil, apiPrefix != nil {
            throw ValidationError("Give --js-domain or --js-api-prefix, not both.")
        }
    }

    /// What the flags say.
    var flags: ConnectionSettings {
        var settings = ConnectionSettings()
        settings.servers = ConnectionSettings.servers(server)
        settings.identity = ConnectionSettings.Identity(
            user: user,
            password: password,
            token: token,
            credentials: creds,
            nkey: nkey,
            jwt: jwt,
            seed: seed
        )
        settings.certificate = certificate
        settings.certificateKey = certificateKey
        settings.authorities = authorities
        settings.tlsFirst = tlsFirst || tlsFirstBesides ? true : nil
        settings.timeout = timeout
        settings.socksProxy = socksProxy
        settings.domain = domain ?? domainBesides
        settings.apiPrefix = apiPrefix
        settings.inboxPrefix = inboxPrefix
        settings.connectionName = connectionName
        return settings
    }

    /// What flags and variables say of the way to a cluster, and the context that they are laid over.
    ///
    /// A cluster named with a bucket (`CLUSTER/NAME`) is its context and nothing else, but for how long to wait and
    /// what to be called: flags and variables speak of the default connection. Without a cluster, flags count over
    /// variables over the context.
    ///
    /// - Parameters:
    ///   - cluster: the context that a bucket was named with.
    ///   - environment: the program's variables.
    func route(to cluster: String?, environment: [String: String]) throws -> Route {
        let variables = try ConnectionSettings(environment: environment)
        if let cluster {
            var settings = ConnectionSettings()
            settings.timeout = timeout ?? variables.timeout
            settings.connectionName = connectionName
            return Route(settings: settings, context: .named(cluster))
        }
        let named = context ?? environment["NATS_CONTEXT"].flatMap { $0.isEmpty ? nil : $0 }
        return Route(
            settings: flags.over(variables),
            context: noContext ? .none : named.map { .named($0) } ?? .selected
        )
    }

    /// The way to a cluster, as the command line says it.
    struct Route: Hashable, Sendable {
        /// Which context settings are laid over.
        enum Context: Hashable, Sendable {
            /// None.
            case none
            /// The one that is selected, if one is.
            case selected
            /// This one.
            case named(String)
        }

        /// What flags and variables say.
        var settings: ConnectionSettings
        /// What they are laid over.
        var context: Context
    }
}
