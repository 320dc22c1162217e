/// Where a server listens: `nats://host:4222`, `tls://user:password@host`, `host:port` or `host`.
public struct ServerAddress: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// The host's name or address, without brackets.
    public let host: String

    /// The port.
    public let port: Int

    /// Whether the address itself demands TLS (`tls://`).
    public let requiresTLS: Bool

    /// The user from the address.
    public let user: String?

    /// The password from the address.
    public let password: String?

    /// The token from the address: a user without a password.
    public let token: String?

    /// The name that the certificate must bear if it is not the host: set for discovered addresses.
    public let certificateName: String?

    /// The port of NATS.
    public static let defaultPort = 4222

    /// Makes an address from its parts.
    public init(
        host: String,
        port: Int = ServerAddress.defaultPort,
        requiresTLS: Bool = false,
        user: String? = nil,
        password: String? = nil,
        token: String? = nil,
        certificateName: String? = nil
    ) {
        self.host = host
        self.port = port
        self.requiresTLS = requiresTLS
        self.user = user
        self.password = password
        self.token = token
        self.certificateName = certificateName
    }

    /// Reads one address.
    public init(_ text: String) throws(ProtocolError) {
        var rest = text[...]
        while rest.first == " " { rest.removeFirst() }
        while rest.last == " " || rest.last == "/" { rest.removeLast() }
        var requiresTLS = false
        if let separator = Self.range(of: "://", in: rest) {
            switch rest[..<separator.lowerBound].lowercased() {
            case "nats": break
            case "tls": requiresTLS = true
            case let scheme:
                throw Self.fault("\"\(scheme)\" is not a scheme that is supported", "Use nats:// or tls://.")
            }
            rest = rest[separator.upperBound...]
        }
        var user: String?
        var password: String?
        var token: String?
        if let at = rest.lastIndex(of: "@") {
            let parts = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 {
                user = Self.percentDecoded(parts[0])
                password = Self.percentDecoded(parts[1])
            } else {
                token = Self.percentDecoded(parts[0])
            }
            rest = rest[rest.index(after: at)...]
        }
        let (host, port) = try Self.hostAndPort(rest)
        self.init(host: host, port: port, requiresTLS: requiresTLS, user: user, password: password, token: token)
    }

    /// Reads a list of addresses with commas between them.
    public static func list(_ text: String) throws(ProtocolError) -> [ServerAddress] {
        var addresses: [ServerAddress] = []
        for part in text.split(separator: ",") where !part.allSatisfy({ $0 == " " }) {
            addresses.append(try ServerAddress(String(part)))
        }
        return addresses
    }

    /// The address without its secrets.
    public var description: String { "\(requiresTLS ? "tls" : "nats")://\(endpoint)" }

    /// The address without its secrets.
    public var debugDescription: String { description }

    /// Shows no secrets to `dump` either.
    public var customMirror: Mirror { Mirror(self, children: ["address": description]) }

    /// Host and port, which tell one server from another.
    public var endpoint: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Whether the host is a numeric address.
    public var isNumeric: Bool {
        host.contains(":") || (host.contains(".") && host.utf8.allSatisfy { $0 == 0x2E || (0x30...0x39).contains($0) })
    }

    private static func hostAndPort(_ text: Substring) throws(ProtocolError) -> (host: String, port: Int) {
        var host = text
        var portText: Substring?
        if text.first == "[" {
            guard let close = text.firstIndex(of: "]") else { throw fault("\"\(text)\" has no closing bracket", nil) }
            host = text[text.index(after: text.startIndex)..<close]
            let rest = text[text.index(after: close)...]
            guard rest.isEmpty || rest.first == ":" else { throw fault("\"\(text)\" is not host:port", nil) }
            portText = rest.isEmpty ? nil : rest.dropFirst()
        } else if let colon = text.lastIndex(of: ":") {
            guard text.firstIndex(of: ":") == colon else {
                throw fault("\"\(text)\" has more than one colon", "Put an IPv6 address in brackets.")
            }
            host = text[..<colon]
            portText = text[text.index(after: colon)...]
        }
        guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 != UInt8(ascii: "/") }) else {
            throw fault("the server address \"\(text)\" has no valid host", nil)
        }
        guard let portText else { return (String(host), defaultPort) }
        guard let port = Int(portText), (1...65_535).contains(port) else {
            throw fault("\"\(portText)\" is not a port", "A port is a number from 1 to 65535.")
        }
        return (String(host), port)
    }

    private static func fault(_ cause: String, _ hint: String?) -> ProtocolError {
        ProtocolError(.invalidServerAddress, cause: cause, hint: hint ?? "Write it as nats://host:port.")
    }

    private static func range(of needle: String, in text: Substring) -> Range<Substring.Index>? {
        var start = text.startIndex
        while start < text.endIndex {
            if text[start...].hasPrefix(needle) {
                return start..<text.index(start, offsetBy: needle.count)
            }
            start = text.index(after: start)
        }
        return nil
    }

    private static func percentDecoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
