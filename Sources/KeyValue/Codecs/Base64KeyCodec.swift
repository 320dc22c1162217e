public import KVModel

/// Stores each part of a key between dots as Base64, so that keys may have any characters.
///
/// Wildcards of patterns stay, so encoded keys can be watched and listed by pattern. By default it is the codec of
/// orbit.go (URL alphabet, no padding): `Acme Inc.contact` is stored as `QWNtZSBJbmM.Y29udGFjdA`.
public struct Base64KeyCodec: PatternKeyCodec, Hashable {
    private let base64: Base64

    /// A codec of an alphabet, with padding or without it.
    public init(alphabet: Base64Alphabet = .url, isPadded: Bool = false) {
        base64 = Base64(alphabet: alphabet, isPadded: isPadded)
    }

    /// The codec of nats.js: standard alphabet, padded.
    ///
    /// It can only be used with keys of ASCII characters, and not with those whose Base64 has a `+`.
    public static let javaScript = Self(alphabet: .standard, isPadded: true)

    /// The key with each part encoded.
    public func encode(_ key: Key) throws -> Key {
        let parts = key.bytes.split(separator: 46, omittingEmptySubsequences: false)
        return Key(bytes: Array(parts.map(base64.encode).joined(separator: [46])))
    }

    /// The key that a stored one stands for.
    ///
    /// Throws `KeyValueError` with `.undecodable` for keys that this codec does not store.
    public func decode(_ stored: Key) throws -> Key {
        let parts = stored.bytes.split(separator: 46, omittingEmptySubsequences: false)
        let decoded = try parts.map { part in
            // A key that comes back as another one could be read, but never be found under its name.
            guard let bytes = base64.decode(part), base64.encode(bytes).elementsEqual(part), !bytes.contains(46) else {
                throw KeyValueError(code: .undecodable, bucket: nil, key: stored, text: "it is not Base64")
            }
            return bytes
        }
        return Key(bytes: Array(decoded.joined(separator: [46])))
    }

    /// The pattern with each part encoded that is no wildcard.
    public func encode(_ pattern: KeyPattern) throws -> KeyPattern {
        let parts = pattern.description.utf8.split(separator: 46, omittingEmptySubsequences: false)
        let encoded = parts.map { part in
            part.elementsEqual([42]) || part.elementsEqual([62]) ? Array(part) : base64.encode(part)
        }
        return try KeyPattern(encoded: encoded.joined(separator: [46]), of: pattern)
    }
}

extension KeyPattern {
    /// The pattern that a codec made of another.
    init(encoded bytes: some Sequence<UInt8>, of pattern: KeyPattern) throws {
        let text = String(decoding: Array(bytes), as: UTF8.self)
        do {
            // Another codec of a chain may make it one that can be stored.
            try self.init(encodable: text)
        } catch {
            throw KeyValueError(
                code: .invalidPattern,
                bucket: nil,
                text: "\(pattern) would be stored as \(text)",
                underlying: error
            )
        }
    }
}
