extension ServerAddress {
    /// Reads one address.
    ///
    /// The port is 4222 if none is given, for `ws://` 80 and for `wss://` 443.
    public init(_ text: String) throws(ProtocolError) {
        try self.init(text, defaultPort: nil)
    }

    /// Reads one address, with a port of the caller's for those that have none.
    public init(_ text: String, defaultPort: Int?) throws(ProtocolError) {
        var rest = text[...]
        while rest.first == " " { rest.removeFirst() }
        while rest.last == " " { rest.removeLast() }
        var requiresTLS = false
        var transport = Transport.tcp
        if let separator = Self.range(of: "://", in: rest) {
            switch rest[..<separator.lowerBound].lowercased() {
            case "nats": break
            case "tls": requiresTLS = true
            case "ws": transport = .webSocket
            case "wss": (transport, requiresTLS) = (.webSocket, true)
            case let scheme:
                throw Self.fault(
                    "\"\(scheme)\" is not a scheme that is supported",
                    "Use nats://, tls://, ws:// or wss://."
                )
            }
            rest = rest[separator.upperBound...]
        }
        var path = ""
        if transport == .webSocket, let end = rest.firstIndex(where: { $0 == "/" || $0 == "?" }) {
            path = try Self.path(rest[end...])
            rest = rest[..<end]
        }
        while rest.last == "/" { rest.removeLast() }
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
        let standard = transport == .tcp ? Self.defaultPort : requiresTLS ? 443 : 80
        self.init(
            host: host,
            port: port ?? defaultPort ?? standard,
            transport: transport,
            path: path,
            requiresTLS: requiresTLS,
            user: user,
            password: password,
            token: token
        )
    }

    /// Reads a list of addresses with commas between them; all of them by WebSocket, or none.
    public static func list(_ text: String) throws(ProtocolError) -> [ServerAddress] {
        var addresses: [ServerAddress] = []
        for part in text.split(separator: ",") where !part.allSatisfy({ $0 == " " }) {
            addresses.append(try ServerAddress(String(part)))
        }
        try checkTransports(of: addresses)
        return addresses
    }

    private static func hostAndPort(_ text: Substring) throws(ProtocolError) -> (host: String, port: Int?) {
        var host = String(text)
        var portText: Substring?
        if text.first == "[" {
            guard let close = text.firstIndex(of: "]") else { throw fault("\"\(text)\" has no closing bracket", nil) }
            host = String(text[text.index(after: text.startIndex)..<close])
            // The zone of a link's own address: URLs write its sign encoded (RFC 6874).
            if let zone = range(of: "%25", in: host[...]) { host.replaceSubrange(zone, with: "%") }
            let rest = text[text.index(after: close)...]
            guard rest.isEmpty || rest.first == ":" else { throw fault("\"\(text)\" is not host:port", nil) }
            portText = rest.isEmpty ? nil : rest.dropFirst()
        } else if let colon = text.lastIndex(of: ":") {
            guard text.firstIndex(of: ":") == colon else {
                throw fault("\"\(text)\" has more than one colon", "Put an IPv6 address in brackets.")
            }
            host = String(text[..<colon])
            portText = text[text.index(after: colon)...]
        }
        guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "/") }) else {
            throw fault("the server address \"\(text)\" has no valid host", nil)
        }
        guard let portText else { return (host, nil) }
        guard let port = Int(portText), (1...65_535).contains(port) else {
            throw fault("\"\(portText)\" is not a port", "A port is a number from 1 to 65535.")
        }
        return (host, port)
    }

    /// A path as it goes into a request line, where other characters would begin something new.
    private static func path(_ text: Substring) throws(ProtocolError) -> String {
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") }) else {
            throw fault("the path of a WebSocket holds characters that none has", "Write them percent-encoded.")
        }
        if text == "/" { return "" }
        return text.first == "?" ? "/\(text)" : String(text)
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
