import Foundation

/// A context of the `nats` command line: servers and credentials under a name.
///
/// Contexts are read, never written. Secrets may stand in files (`file://`), in variables (`env://`) or encoded in the
/// context itself (`data:`); references to other programs' stores (`op://`, `nsc://`) are refused with a clear error. A
/// SOCKS proxy must ask for no user. What concerns events, colours and the stores of Windows is passed over.
public struct NATSContext: Sendable {
    /// The context's name.
    public let name: String

    /// What to connect with.
    public var configuration: ConnectionConfiguration

    /// The JetStream domain.
    public let jetStreamDomain: String?

    /// The prefix of the JetStream API.
    public let jetStreamAPIPrefix: String?

    /// What the context says about itself.
    public let about: String?

    /// Loads a context by name, or the selected one; `environment` stands in for the process's own in tests.
    public init(
        named name: String? = nil,
        environment: [String: String]? = nil
    ) throws {
        let environment = environment ?? ProcessInfo.processInfo.environment
        let folder = Self.folder(environment)
        let chosen = try name ?? Self.selected(in: folder)
        let isPath = chosen.hasPrefix("/") || chosen.hasSuffix(".json")
        guard isPath || !chosen.contains("/"), chosen != "..", !chosen.isEmpty else {
            throw NATSError(.invalidConfiguration, cause: "\"\(chosen)\" is not a context's name")
        }
        let path = isPath ? chosen : "\(folder)/context/\(chosen).json"
        guard let data = FileManager.default.contents(atPath: path) else {
            throw NATSError(
                .invalidConfiguration,
                cause: "there is no context \"\(chosen)\" at \(path)",
                hint: "nats context ls shows those that there are."
            )
        }
        let fields: Fields
        do {
            fields = try JSONDecoder().decode(Fields.self, from: data)
        } catch {
            throw NATSError(.invalidConfiguration, cause: "the context \(path) is not valid JSON of a context")
        }
        try self.init(chosen, fields, environment)
    }

    private struct Fields: Decodable {
        var description: String?
        var url: String?
        var socksProxy: String?
        var token: String?
        var user: String?
        var password: String?
        var creds: String?
        var nkey: String?
        var cert: String?
        var key: String?
        var ca: String?
        var jetstreamDomain: String?
        var jetstreamApiPrefix: String?
        var inboxPrefix: String?
        var userJwt: String?
        var userSeed: String?
        var tlsFirst: Bool?
        var nsc: String?

        enum CodingKeys: String, CodingKey {
            case description
            case url
            case socksProxy = "socks_proxy"
            case token
            case user
            case password
            case creds
            case nkey
            case cert
            case key
            case ca
            case jetstreamDomain = "jetstream_domain"
            case jetstreamApiPrefix = "jetstream_api_prefix"
            case inboxPrefix = "inbox_prefix"
            case userJwt = "user_jwt"
            case userSeed = "user_seed"
            case tlsFirst = "tls_first"
            case nsc
        }
    }

    private init(_ name: String, _ fields: Fields, _ environment: [String: String]) throws {
        func text(_ value: String?) -> String? { value.flatMap { $0.isEmpty ? nil : $0 } }
        func path(_ value: String?, _ field: String) throws -> String? {
            try text(value).map { try SecretReference.path($0, field: field, environment: environment) }
        }
        if text(fields.nsc) != nil {
            throw NATSError(
                .invalidConfiguration,
                cause: "the context \(name) takes its identity from nsc, which is not supported",
                hint: "Write the credentials to a file with nsc generate creds, and name that as creds."
            )
        }
        self.name = name
        about = text(fields.description)
        jetStreamDomain = text(fields.jetstreamDomain)
        jetStreamAPIPrefix = text(fields.jetstreamApiPrefix)
        var configuration = try ConnectionConfiguration(text(fields.url) ?? "nats://127.0.0.1:4222")
        configuration.socksProxy = text(fields.socksProxy)
        configuration.inboxPrefix = text(fields.inboxPrefix) ?? configuration.inboxPrefix
        configuration.tls.certificateAuthorityFile = try path(fields.ca, "ca")
        configuration.tls.certificateFile = try path(fields.cert, "cert")
        configuration.tls.keyFile = try path(fields.key, "key")
        if fields.tlsFirst == true {
            configuration.tls.mode = .first
        } else if text(fields.ca) != nil || text(fields.cert) != nil {
            // Whoever names authorities or a certificate means TLS, as with the `nats` CLI.
            configuration.tls.mode = .required
        }
        configuration.authentication = try Self.authentication(fields, environment)
        self.configuration = configuration
    }

    /// Of several identities the first that is given, and the token beside it, as the `nats` CLI has it.
    private static func authentication(_ fields: Fields, _ environment: [String: String]) throws -> Authentication {
        func reference(_ text: String?, _ field: String, _ bare: SecretReference.Bare) throws -> SecretReference? {
            guard let text, !text.isEmpty else { return nil }
            return try SecretReference(text, field: field, bare: bare, environment: environment)
        }
        func secret(_ text: String?, _ field: String) throws -> String? {
            try reference(text, field, .literal)?.text(field: field)
        }
        let identity: Authentication
        if let user = fields.user, !user.isEmpty {
            identity = .userPassword(user: user, password: try secret(fields.password, "password") ?? "")
        } else if let creds = try reference(fields.creds, "creds", .path) {
            if case .file(let path) = creds {
                identity = try .credentialsFile(path)
            } else {
                identity = try .credentials(text: try creds.text(field: "creds"), source: "of a context")
            }
        } else if let nkey = try reference(fields.nkey, "nkey", .path) {
            if case .file(let path) = nkey {
                identity = try .nkeyFile(path)
            } else {
                identity = try .nkey(text: try nkey.text(field: "nkey"), source: "nkey of a context")
            }
        } else if let jwt = try secret(fields.userJwt, "user_jwt") {
            identity = try .credentials(jwt: jwt, seed: try secret(fields.userSeed, "user_seed"))
        } else {
            identity = .none
        }
        guard let token = try secret(fields.token, "token") else { return identity }
        return identity.adding(token: token)
    }

    private static func folder(_ environment: [String: String]) -> String {
        if let configured = environment["XDG_CONFIG_HOME"], !configured.isEmpty { return "\(configured)/nats" }
        return "\(environment["HOME"] ?? NSHomeDirectory())/.config/nats"
    }

    private static func selected(in folder: String) throws -> String {
        let text = FileManager.default.contents(atPath: "\(folder)/context.txt").map {
            String(decoding: $0, as: UTF8.self)
        }
        guard let name = text?.trimmingCharacters(in: .whitespacesAndNewlines), !name.isEmpty else {
            throw NATSError(
                .invalidConfiguration,
                cause: "no context is selected",
                hint: "Name one, or select one with nats context select."
            )
        }
        return name
    }
}
