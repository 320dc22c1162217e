import ArgumentParser
import KVModel

/// How to reach the target of a command with two ends; what is left out is as for the source.
struct TargetOptions: ParsableArguments, Sendable {
    @Option(help: "The target's servers, separated by commas; nothing else is taken from the source's connection then.")
    var targetServer: String?

    @Option(help: "The `nats` CLI context of the target.")
    var targetContext: String?

    @Option(help: "User name at the target, or a token if there is no password.")
    var targetUser: String?

    @Option(help: "Password at the target (other users of this machine can see it: a context hides it).")
    var targetPassword: String?

    @Option(help: "Token at the target.")
    var targetToken: String?

    @Option(help: "Credentials file for the target.", completion: .file())
    var targetCreds: String?

    @Option(help: "File with an nkey seed for the target.", completion: .file())
    var targetNkey: String?

    @Option(name: .customLong("target-tlscert"), help: "Client certificate for the target, PEM.", completion: .file())
    var certificate: String?

    @Option(name: .customLong("target-tlskey"), help: "Key of that certificate, PEM.", completion: .file())
    var certificateKey: String?

    @Option(name: .customLong("target-tlsca"), help: "Authorities to trust at the target, PEM.", completion: .file())
    var authorities: String?

    @Flag(name: .customLong("target-tlsfirst"), help: "Begin with TLS at the target, before the server's greeting.")
    var tlsFirst = false

    @Option(name: .customLong("target-js-domain"), help: "JetStream domain of the target.")
    var domain: String?

    @Option(name: .customLong("target-js-api-prefix"), help: "Prefix of the target's JetStream API.")
    var apiPrefix: String?

    @Option(help: "How long a request to the target may take.", transform: DurationArgument.parse)
    var targetTimeout: Duration?

    /// Refuses what says the same in two ways.
    func validate() throws {
        if domain != nil, apiPrefix != nil {
            throw ValidationError("Give --target-js-domain or --target-js-api-prefix, not both.")
        }
    }

    /// What the options say.
    var flags: ConnectionSettings {
        var settings = ConnectionSettings()
        settings.servers = ConnectionSettings.servers(targetServer)
        settings.identity = ConnectionSettings.Identity(
            user: targetUser,
            password: targetPassword,
            token: targetToken,
            credentials: targetCreds,
            nkey: targetNkey
        )
        settings.certificate = certificate
        settings.certificateKey = certificateKey
        settings.authorities = authorities
        settings.tlsFirst = tlsFirst ? true : nil
        settings.domain = domain
        settings.apiPrefix = apiPrefix
        settings.timeout = targetTimeout
        return settings
    }

    /// The way to the target of a command whose source is reached by another route.
    ///
    /// Named with a cluster, with a context or with servers, the target has a connection of its own, to which nothing of
    /// the source's goes, its credentials least of all. Otherwise it is on the source's cluster, perhaps with other
    /// credentials or in another domain.
    func route(to cluster: String?, beside source: ConnectionOptions.Route) throws -> ConnectionOptions.Route {
        var settings = flags
        settings.timeout = settings.timeout ?? source.settings.timeout
        settings.connectionName = source.settings.connectionName
        if let cluster {
            guard targetContext == nil, targetServer == nil else {
                throw CommandError(
                    .usage,
                    text: "the target is on cluster \(cluster), and the options name another way to it",
                    hint: "leave out --target-server and --target-context, or the cluster's name"
                )
            }
            return ConnectionOptions.Route(settings: settings, context: .named(cluster))
        }
        if let targetContext { return ConnectionOptions.Route(settings: settings, context: .named(targetContext)) }
        if targetServer != nil { return ConnectionOptions.Route(settings: settings, context: .none) }
        return ConnectionOptions.Route(settings: settings.over(source.settings), context: source.context)
    }
}
