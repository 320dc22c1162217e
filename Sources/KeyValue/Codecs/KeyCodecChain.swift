public import KVModel

/// Several key codecs one after the other: keys are encoded from the first to the last, decoded from the last to the
/// first.
public struct KeyCodecChain: PatternKeyCodec {
    private let codecs: [any KeyCodec]

    /// A chain of codecs; throws `KeyValueError` with `.invalidOption` if there are none.
    public init(_ codecs: [any KeyCodec]) throws {
        guard !codecs.isEmpty else {
            throw KeyValueError(code: .invalidOption, bucket: nil, text: "a chain needs at least one key codec")
        }
        self.codecs = codecs
    }

    /// What all the codecs make of a key.
    public func encode(_ key: Key) throws -> Key {
        try codecs.reduce(key) { try $1.encode($0) }
    }

    /// The key that a stored one stands for.
    public func decode(_ stored: Key) throws -> Key {
        try codecs.reversed().reduce(stored) { try $1.decode($0) }
    }

    /// What all the codecs make of a pattern.
    ///
    /// Throws `KeyValueError` with `.invalidPattern` if it has wildcards and one of the codecs takes no patterns.
    public func encode(_ pattern: KeyPattern) throws -> KeyPattern {
        try codecs.reduce(pattern) { try $1.pattern($0) }
    }
}

extension KeyCodec {
    /// The pattern of the stored keys whose plain ones a pattern matches.
    ///
    /// Throws `KeyValueError` with `.invalidPattern` where the codec takes no patterns and this is more than one key.
    func pattern(_ pattern: KeyPattern) throws -> KeyPattern {
        if let codec = self as? any PatternKeyCodec { return try codec.encode(pattern) }
        guard !pattern.description.utf8.contains(where: { $0 == 42 || $0 == 62 }) else {
            throw KeyValueError(
                code: .invalidPattern,
                bucket: nil,
                text: "\(pattern) has wildcards, and the key codec \(Self.self) turns single keys only"
            )
        }
        return try KeyPattern(encoded: try encode(Key(pattern.description)).bytes, of: pattern)
    }
}
