import Foundation

/// Who we are to the server.
///
/// What it holds never shows in a description.
public struct Authentication: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    enum Method: Sendable {
        case none
        case userPassword(user: String, password: String)
        case token(String)
        case nkey(NKeySeed)
        case credentials(jwt: String, seed: NKeySeed?)
    }

    let method: Method

    /// A token that is sent beside what the method says.
    let additionalToken: String?

    /// Reads it again from the file that it came from.
    private let source: (@Sendable () throws -> Authentication)?

    private init(
        method: Method,
        additionalToken: String? = nil,
        source: (@Sendable () throws -> Authentication)? = nil
    ) {
        self.method = method
        self.additionalToken = additionalToken
        self.source = source
    }

    /// Nobody, unless the server's address says more.
    public static let none = Authentication(method: .none)

    /// A user with a password.
    public static func userPassword(user: String, password: String) -> Authentication {
        Authentication(method: .userPassword(user: user, password: password))
    }

    /// A token.
    public static func token(_ token: String) -> Authentication {
        Authentication(method: .token(token))
    }

    /// The seed of an nkey.
    public static func nkey(seed: String) throws -> Authentication {
        Authentication(method: .nkey(try NKeySeed(seed)))
    }

    /// A user JWT and the seed that proves it; a bearer's JWT needs none.
    public static func credentials(jwt: String, seed: String?) throws -> Authentication {
        let jwt = jwt.trimmingCharacters(in: .whitespacesAndNewlines)
        return Authentication(method: .credentials(jwt: jwt, seed: try seed.map { try NKeySeed($0) }))
    }

    /// An nkey's seed in a file, which is read now and again for each connection.
    public static func nkeyFile(_ path: String) throws -> Authentication {
        try read { try nkey(text: contents(of: path, kind: "nkey file"), source: "nkey file \(path)") }
    }

    /// A credentials file, as `nsc` writes it, which is read now and again for each connection.
    public static func credentialsFile(_ path: String) throws -> Authentication {
        try read { try credentials(text: contents(of: path, kind: "credentials file"), source: path) }
    }

    /// The same, with a token sent beside it for a server that looks at that, as the `nats` CLI does.
    public func adding(token: String) -> Authentication {
        switch method {
        case .none: .token(token)
        case .token: self
        default: Authentication(method: method, additionalToken: token, source: source)
        }
    }

    /// What to show now: read again, if it stands in a file.
    func current() throws -> Authentication {
        guard let source else { return self }
        return Authentication(method: try source().method, additionalToken: additionalToken, source: source)
    }

    private static func read(_ source: @escaping @Sendable () throws -> Authentication) throws -> Authentication {
        Authentication(method: try source().method, source: source)
    }

    /// The text of a file with an nkey's seed: the first line that begins as one.
    static func nkey(text: String, source: String) throws -> Authentication {
        let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
        guard let seed = lines.first(where: { $0.hasPrefix("S") }) else {
            throw NATSError(.invalidConfiguration, cause: "the \(source) holds no seed")
        }
        return try nkey(seed: seed)
    }

    /// The text of a credentials file: what stands between the lines of dashes, first the JWT, then the seed.
    static func credentials(text: String, source: String) throws -> Authentication {
        var blocks: [String] = []
        var block: String?
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.trimmingCharacters(in: .whitespaces)
            if line.hasPrefix("---") {
                if let complete = block, !complete.isEmpty {
                    blocks.append(complete)
                    block = nil
                } else {
                    block = ""
                }
            } else if block != nil {
                block?.append(line)
            }
        }
        guard let jwt = blocks.first, jwt.split(separator: ".").count == 3 else {
            throw NATSError(
                .invalidConfiguration,
                cause: "the credentials \(source) hold no user JWT",
                hint: "A credentials file is written by nsc generate creds."
            )
        }
        do {
            return try credentials(jwt: jwt, seed: blocks.count > 1 ? blocks[1] : nil)
        } catch let error as NATSError {
            throw NATSError(error.code, cause: "\(source): \(error.cause)", hint: error.hint)
        }
    }

    static func contents(of path: String, kind: String) throws -> String {
        do {
            return try String(contentsOfFile: (path as NSString).expandingTildeInPath, encoding: .utf8)
        } catch {
            throw NATSError(
                .invalidConfiguration,
                cause: "the \(kind) \(path) cannot be read",
                hint: "Check the path and its permissions."
            )
        }
    }

    /// The kind of authentication.
    public var description: String {
        let kind =
            switch method {
            case .none: "none"
            case .userPassword(let user, _): "user \(user)"
            case .token: "token"
            case .nkey(let seed): seed.description
            case .credentials(_, let seed): "JWT" + (seed.map { " with \($0)" } ?? "")
            }
        return additionalToken == nil ? kind : "\(kind) and token"
    }

    /// The kind of authentication.
    public var debugDescription: String { description }

    /// Shows the kind only.
    public var customMirror: Mirror { Mirror(self, children: ["method": description]) }
}
