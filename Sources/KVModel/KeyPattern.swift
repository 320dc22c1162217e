/// A pattern of keys with NATS wildcards: `*` stands for one token, a final `>` for one token or more.
public struct KeyPattern: Hashable, Sendable, CustomStringConvertible {
    enum Token: Hashable, Sendable {
        case literal([UInt8])
        case one
        case rest
    }

    /// The pattern as written.
    public let description: String
    let tokens: [Token]

    /// Every key.
    public static let all = Self(description: ">", tokens: [.rest])

    private init(description: String, tokens: [Token]) {
        self.description = description
        self.tokens = tokens
    }

    /// Reads a pattern such as `user.>`, `*.config` or `app.port`.
    public init(_ text: String) throws(ModelError) {
        try self.init(encodable: text)
        guard isStorable else {
            throw .invalidPattern(text, reason: "spaces and control characters cannot stand in a key")
        }
    }

    /// Reads a pattern of keys that a codec turns before they are stored: any character may stand between its dots.
    ///
    /// No server must see it as it is: see `isStorable`.
    public init(encodable text: String) throws(ModelError) {
        var tokens: [Token] = []
        let parts = text.utf8.split(separator: 46, omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            guard !part.isEmpty else { throw .invalidPattern(text, reason: "no part between dots may be empty") }
            if part.elementsEqual("*".utf8) {
                tokens.append(.one)
            } else if part.elementsEqual(">".utf8) {
                guard index == parts.count - 1 else {
                    throw .invalidPattern(text, reason: "> may only stand at the end")
                }
                tokens.append(.rest)
            } else {
                tokens.append(.literal(Array(part)))
            }
        }
        self.init(description: text, tokens: tokens)
    }

    /// Whether a server can be asked for it as it is: it has no space or control character.
    public var isStorable: Bool {
        description.utf8.allSatisfy { $0 > 32 && $0 != 127 }
    }

    /// Whether the pattern has no wildcard, so that it names one key.
    public var isLiteral: Bool {
        tokens.allSatisfy { token in
            if case .literal = token { true } else { false }
        }
    }

    /// Whether a key is one of the pattern's.
    public func matches(_ key: UnsafeRawBufferPointer) -> Bool {
        var position = 0
        for token in tokens {
            guard position <= key.count else { return false }
            if case .rest = token { return position < key.count }
            var end = position
            while end < key.count, key[end] != 46 { end += 1 }
            switch token {
            case .rest: return false
            case .one: if end == position { return false }
            case .literal(let bytes):
                guard end - position == bytes.count else { return false }
                for index in 0..<bytes.count where key[position + index] != bytes[index] { return false }
            }
            position = end + 1
        }
        return position == key.count + 1
    }

    /// Whether a key is one of the pattern's.
    public func matches(_ key: Key) -> Bool {
        key.bytes.withUnsafeBytes { matches($0) }
    }
}
