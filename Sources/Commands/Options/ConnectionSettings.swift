import KVModel

/// What flags or variables say of the way to a server; what they do not say is nil.
///
/// Sources are laid over each other, fields one by one: flags over variables over a context over the server on this
/// machine. Only what proves who we are goes as a whole, so that a key of one source never meets a user of another.
struct ConnectionSettings: Hashable, Sendable {
    /// Who we are.
    struct Identity: Hashable, Sendable {
        var user: String?
        var password: String?
        var token: String?
        var credentials: String?
        var nkey: String?
        var jwt: String?
        var seed: String?

        /// Whether nothing is said.
        var isEmpty: Bool { self == Identity() }

        /// This identity, or the other one if this says nothing; a lone half of a pair is completed.
        func over(_ lower: Identity) -> Identity {
            guard !isEmpty else { return lower }
            var merged = self
            let isPair = token == nil && credentials == nil && nkey == nil && jwt == nil && seed == nil
            if isPair, password == nil, lower.user == nil || lower.user == user { merged.password = lower.password }
            if isPair, user == nil { merged.user = lower.user }
            return merged
        }
    }

    /// The servers' addresses.
    var servers: [String]?
    /// Who we are.
    var identity = Identity()
    /// A client certificate, in PEM.
    var certificate: String?
    /// Its key, in PEM.
    var certificateKey: String?
    /// The authorities that a server's certificate may come from, in PEM.
    var authorities: String?
    /// Whether TLS begins before the server's greeting.
    var tlsFirst: Bool?
    /// How long a connection or a request may take.
    var timeout: Duration?
    /// A SOCKS5 proxy.
    var socksProxy: String?
    /// The JetStream domain.
    var domain: String?
    /// The prefix of the JetStream API.
    var apiPrefix: String?
    /// What reply subjects begin with.
    var inboxPrefix: String?
    /// What the connection is called on the server.
    var connectionName: String?

    /// These settings, completed by those of a source that counts less.
    func over(_ lower: ConnectionSettings) -> ConnectionSettings {
        ConnectionSettings(
            servers: servers ?? lower.servers,
            identity: identity.over(lower.identity),
            certificate: certificate ?? lower.certificate,
            certificateKey: certificateKey ?? lower.certificateKey,
            authorities: authorities ?? lower.authorities,
            tlsFirst: tlsFirst ?? lower.tlsFirst,
            timeout: timeout ?? lower.timeout,
            socksProxy: socksProxy ?? lower.socksProxy,
            // A prefix is the longer way of naming a domain: the two are one setting.
            domain: domain ?? (apiPrefix == nil ? lower.domain : nil),
            apiPrefix: apiPrefix ?? (domain == nil ? lower.apiPrefix : nil),
            inboxPrefix: inboxPrefix ?? lower.inboxPrefix,
            connectionName: connectionName ?? lower.connectionName
        )
    }

    /// A comma list of addresses.
    static func servers(_ text: String?) -> [String]? {
        let list = (text ?? "").split(separator: ",").map { address in
            String(address.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
        let filled = list.filter { !$0.isEmpty }
        return filled.isEmpty ? nil : filled
    }
}

extension ConnectionSettings {
    /// What the variables of the `nats` CLI say; empty ones say nothing.
    init(environment: [String: String]) throws(ModelError) {
        func value(_ name: String) -> String? {
            environment[name].flatMap { $0.isEmpty ? nil : $0 }
        }
        self.init()
        servers = Self.servers(value("NATS_URL"))
        identity = Identity(
            user: value("NATS_USER"),
            password: value("NATS_PASSWORD"),
            token: value("NATS_TOKEN"),
            credentials: value("NATS_CREDS"),
            nkey: value("NATS_NKEY"),
            jwt: value("NATS_JWT"),
            seed: value("NATS_SEED")
        )
        certificate = value("NATS_CERT")
        certificateKey = value("NATS_KEY")
        authorities = value("NATS_CA")
        if let text = value("NATS_TIMEOUT") { timeout = .nanoseconds(try DurationText.nanoseconds(text)) }
        socksProxy = value("NATS_SOCKS_PROXY")
    }
}
