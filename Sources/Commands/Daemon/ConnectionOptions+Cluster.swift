import Daemon

extension ConnectionOptions.Route {
    /// The way to a cluster of a configuration file.
    init(_ cluster: ClusterSettings) {
        var settings = ConnectionSettings()
        settings.servers = cluster.servers.isEmpty ? nil : cluster.servers
        settings.identity = ConnectionSettings.Identity(
            user: cluster.user,
            password: cluster.password?.value,
            token: cluster.token?.value,
            credentials: cluster.credentials,
            nkey: cluster.nkey
        )
        settings.certificate = cluster.tls.certificate
        settings.certificateKey = cluster.tls.key
        settings.authorities = cluster.tls.ca
        settings.tlsFirst = cluster.tls.first ? true : nil
        settings.timeout = cluster.timeout.map { .nanoseconds($0) }
        settings.socksProxy = cluster.socksProxy
        settings.domain = cluster.domain
        settings.apiPrefix = cluster.apiPrefix
        settings.inboxPrefix = cluster.inboxPrefix
        self.init(settings: settings, context: cluster.context.map { .named($0) } ?? .none)
    }
}
