/// Gives keys other names, by rules such as `user.>=u.>`, as NATS maps subjects.
///
/// The first rule whose source matches a key maps it; a key that no rule matches stays as it is. Two keys that would
/// get one name can be seen in the rules themselves in few cases only (`init` refuses those); `CollisionSearch` finds
/// the others among the keys there are.
public struct KeyMapping: Hashable, Sendable, CustomStringConvertible {
    /// The rules, in the order in which they are tried.
    public let rules: [Rule]

    /// The mapping that leaves every key as it is.
    public static let identity = Self(checked: [])

    private init(checked rules: [Rule]) {
        self.rules = rules
    }

    /// A mapping by these rules; refused where they surely give two keys one name, or where one can never be used.
    public init(_ rules: [Rule]) throws(ModelError) {
        for (index, rule) in rules.enumerated() {
            for earlier in rules[..<index] {
                guard earlier.source != rule.source else {
                    throw .invalidMapping(
                        rule.description,
                        reason: "\(rule.source) is mapped already, to \(earlier.target)"
                    )
                }
                guard !(earlier.source.isLiteral && rule.source.isLiteral && earlier.target == rule.target) else {
                    throw .invalidMapping(
                        rule.description,
                        reason: "the keys \(earlier.source) and \(rule.source) would both become \(rule.target)"
                    )
                }
            }
        }
        self.init(checked: rules)
    }

    /// The rules, as they are written.
    public var description: String { rules.map { "'\($0)'" }.joined(separator: " ") }

    /// Whether every key stays as it is.
    public var isIdentity: Bool { rules.isEmpty }

    /// Appends the name that a key gets.
    public func append(_ key: UnsafeRawBufferPointer, to output: inout [UInt8]) {
        for rule in rules where rule.source.matches(key) {
            return rule.append(key, to: &output)
        }
        output.append(contentsOf: key)
    }

    /// The name that a key gets.
    public func map(_ key: Key) -> Key {
        var bytes: [UInt8] = []
        key.bytes.withUnsafeBytes { append($0, to: &bytes) }
        return Key(bytes: bytes)
    }
}

extension KeyMapping {
    /// One rule: what matches the source gets the target's name.
    ///
    /// The source is a pattern. In the target `$1`, or `{{wildcard(1)}}`, stands for what the source's first `*` matched,
    /// and a final `>` for what the source's `>` did.
    public struct Rule: Hashable, Sendable, CustomStringConvertible {
        private enum Part: Hashable, Sendable {
            case literal([UInt8])
            /// The key's token of this number, from 0.
            case token(Int)
            /// The key from the token of this number on.
            case rest(from: Int)
        }

        /// The keys that it maps.
        public let source: KeyPattern
        /// What they become, as written.
        public let target: String
        private let parts: [Part]

        /// The rule as `SOURCE=TARGET`.
        public var description: String {
            let text = "\(source)=\(target)"
            return text.split(separator: "=", omittingEmptySubsequences: false).count == 2
                ? text : "\(source) = \(target)"
        }

        /// Reads `SOURCE=TARGET`; where keys have a `=` themselves, spaces round the one in the middle tell it apart.
        public init(_ text: String) throws(ModelError) {
            let bare = text.split(separator: "=", omittingEmptySubsequences: false).map { String($0) }
            let spaced = Self.split(text, at: " = ")
            guard let (source, target) = spaced ?? (bare.count == 2 ? (bare[0], bare[1]) : nil) else {
                throw .invalidMapping(
                    text,
                    reason: bare.count < 2
                        ? "write SOURCE=TARGET, for example user.>=u.>"
                        : "it is not clear which = divides source and target: write spaces round that one"
                )
            }
            try self.init(source: source, target: target)
        }

        /// A rule of two patterns.
        public init(source: String, target: String) throws(ModelError) {
            let pattern = try KeyPattern(source)
            self.source = pattern
            self.target = target
            let text = "\(source)=\(target)"
            let wildcards = pattern.tokens.indices.filter { pattern.tokens[$0] == .one }
            let rest = pattern.tokens.last == .rest ? pattern.tokens.count - 1 : nil
            let tokens = target.split(separator: ".", omittingEmptySubsequences: false).map { String($0) }
            var parts: [Part] = []
            for (index, token) in tokens.enumerated() {
                if let number = try Self.wildcardNumber(token, in: text) {
                    guard wildcards.indices.contains(number - 1) else {
                        throw .invalidMapping(
                            text,
                            reason: "\(token) asks for wildcard \(number), and the source has \(wildcards.count)"
                        )
                    }
                    parts.append(.token(wildcards[number - 1]))
                } else if token == ">", index == tokens.count - 1, let rest {
                    parts.append(.rest(from: rest))
                } else {
                    parts.append(.literal(try Self.literal(token, in: text)))
                }
            }
            self.parts = parts
            try check(text, hasRest: rest != nil)
        }

        private func check(_ text: String, hasRest: Bool) throws(ModelError) {
            let isRestUsed = parts.contains { part in
                if case .rest = part { true } else { false }
            }
            guard hasRest == isRestUsed else {
                throw .invalidMapping(text, reason: "a source that ends in > needs a target that does")
            }
            let isConstant = parts.allSatisfy { part in
                if case .literal = part { true } else { false }
            }
            guard !isConstant || source.isLiteral else {
                throw .invalidMapping(text, reason: "every key of \(source) would become \(target)")
            }
        }

        /// The name that a key of the source gets.
        func name(of key: Key) -> Key {
            var bytes: [UInt8] = []
            key.bytes.withUnsafeBytes { append($0, to: &bytes) }
            return Key(bytes: bytes)
        }

        /// Appends the name that a key of the source gets.
        fileprivate func append(_ key: UnsafeRawBufferPointer, to output: inout [UInt8]) {
            for (index, part) in parts.enumerated() {
                if index > 0 { output.append(46) }
                switch part {
                case .literal(let bytes): output.append(contentsOf: bytes)
                case .token(let number): output.append(contentsOf: Self.tokens(of: key, from: number, isOne: true))
                case .rest(let number): output.append(contentsOf: Self.tokens(of: key, from: number, isOne: false))
                }
            }
        }

        private static func tokens(
            of key: UnsafeRawBufferPointer,
            from number: Int,
            isOne: Bool
        ) -> UnsafeRawBufferPointer {
            var start = 0
            for _ in 0..<number {
                while start < key.count, key[start] != 46 { start += 1 }
                start = min(start + 1, key.count)
            }
            guard isOne else { return UnsafeRawBufferPointer(rebasing: key[start...]) }
            var end = start
            while end < key.count, key[end] != 46 { end += 1 }
            return UnsafeRawBufferPointer(rebasing: key[start..<end])
        }

        private static func literal(_ token: String, in text: String) throws(ModelError) -> [UInt8] {
            guard !token.isEmpty else {
                throw .invalidMapping(text, reason: "no part between dots may be empty")
            }
            guard token != "*" else {
                throw .invalidMapping(text, reason: "in the target, $1 stands for what the source's first * matched")
            }
            guard token != ">" else {
                throw .invalidMapping(text, reason: "> stands at the end of both source and target, or of neither")
            }
            let bytes = Array(token.utf8)
            guard bytes.allSatisfy({ $0 > 32 && $0 != 127 }) else {
                throw .invalidMapping(text, reason: "spaces and control characters cannot stand in a key")
            }
            return bytes
        }

        /// The number that `$1` or `{{wildcard(1)}}` says; nil for other tokens.
        private static func wildcardNumber(_ token: String, in text: String) throws(ModelError) -> Int? {
            if token.hasPrefix("$") { return Int(token.dropFirst()) }
            guard token.hasPrefix("{{") else { return nil }
            let bare = token.filter { $0 != " " }
            let opening = "{{wildcard("
            guard bare.lowercased().hasPrefix(opening), bare.hasSuffix(")}}"),
                let number = Int(bare.dropFirst(opening.count).dropLast(3))
            else {
                throw .invalidMapping(text, reason: "of the mapping functions {{wildcard(1)}} is known, not \(token)")
            }
            return number
        }

        private static func split(_ text: String, at separator: String) -> (String, String)? {
            var found: (String, String)?
            var position = text.startIndex
            while position < text.endIndex {
                if text[position...].hasPrefix(separator) {
                    guard found == nil else { return nil }
                    found = (
                        String(text[..<position]), String(text[text.index(position, offsetBy: separator.count)...])
                    )
                }
                position = text.index(after: position)
            }
            return found
        }
    }
}
