import Foundation

/// A context of the `nats` command line: servers and credentials under a name.
///
/// Contexts are read, never written. References to other stores of secrets (`op://`, `nsc://`) are refused with a
/// clear error.
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
        }
    }

    private init(_ name: String, _ fields: Fields, _ environment: [String: String]) throws {
        func text(_ value: String?) -> String? { value.flatMap { $0.isEmpty ? nil : $0 } }
        func path(_ value: String?) -> String? { text(value).map { Self.expanded($0, environment) } }
        self.name = name
        about = text(fields.description)
        jetStreamDomain = text(fields.jetstreamDomain)
        jetStreamAPIPrefix = text(fields.jetstreamApiPrefix)
        var configuration = try ConnectionConfiguration(text(fields.url) ?? "nats://127.0.0.1:4222")
        configuration.socksProxy = text(fields.socksProxy)
        configuration.inboxPrefix = text(fields.inboxPrefix) ?? configuration.inboxPrefix
        configuration.tls.mode = fields.tlsFirst == true ? .first : .automatic
        configuration.tls.certificateAuthorityFile = path(fields.ca)
        configuration.tls.certificateFile = path(fields.cert)
        configuration.tls.keyFile = path(fields.key)
        if let user = text(fields.user) {
            let password = try Self.secret(text(fields.password) ?? "", environment)
            configuration.authentication = .userPassword(user: user, password: password)
        } else if let file = path(fields.creds) {
            configuration.authentication = try .credentialsFile(file)
        } else if let file = path(fields.nkey) {
            configuration.authentication = try .nkeyFile(file)
        } else if let jwt = text(fields.userJwt) {
            configuration.authentication = try .credentials(
                jwt: try Self.secret(jwt, environment),
                seed: try text(fields.userSeed).map { try Self.secret($0, environment) }
            )
        } else if let token = text(fields.token) {
            configuration.authentication = .token(try Self.secret(token, environment))
        }
        self.configuration = configuration
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

    /// A secret, possibly kept in a file or a variable.
    private static func secret(_ text: String, _ environment: [String: String]) throws -> String {
        if text.hasPrefix("env://") {
            let variable = String(text.dropFirst(6))
            guard let value = environment[variable] else {
                throw NATSError(.invalidConfiguration, cause: "the variable \(variable) of a context is not set")
            }
            return value
        }
        if text.hasPrefix("file://") {
            return try Authentication.contents(
                of: expanded(String(text.dropFirst(7)), environment),
                kind: "secret file"
            )
            .trimmingCharacters(in: .whitespacesAndNewlines)
        }
        for scheme in ["op://", "nsc://"] where text.hasPrefix(scheme) {
            throw NATSError(
                .invalidConfiguration,
                cause: "a context refers to a secret by \(scheme), which is not supported",
                hint: "Use a file:// or env:// reference."
            )
        }
        return text
    }

    /// A path with `~` and `$VARIABLE` replaced.
    private static func expanded(_ path: String, _ environment: [String: String]) -> String {
        var path = path.hasPrefix("file://") ? String(path.dropFirst(7)) : path
        if path == "~" || path.hasPrefix("~/") {
            path = (environment["HOME"] ?? NSHomeDirectory()) + path.dropFirst()
        }
        // Longer names first, so that $HOMEBREW is not taken for $HOME.
        for (name, value) in environment.sorted(by: { $0.key.count > $1.key.count }) where path.contains("$") {
            path = path.replacing("${\(name)}", with: value).replacing("$\(name)", with: value)
        }
        return path
    }
}
