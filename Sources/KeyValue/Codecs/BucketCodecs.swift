public import KVModel

/// Turns keys into what is stored in their place, and back (ADR-54).
public protocol KeyCodec: Sendable {
    /// What is stored in place of a key.
    func encode(_ key: Key) throws -> Key
    /// The key that a stored one stands for.
    func decode(_ stored: Key) throws -> Key
}

/// A key codec that can turn patterns as well, so that encoded keys can be watched and listed by pattern.
public protocol PatternKeyCodec: KeyCodec {
    /// The pattern of the stored keys whose plain ones a pattern matches.
    func encode(_ pattern: KeyPattern) throws -> KeyPattern
}

/// Turns values into what is stored in their place, and back (ADR-54).
public protocol ValueCodec: Sendable {
    /// What is stored in place of a value.
    func encode(_ value: [UInt8]) throws -> [UInt8]
    /// The value that a stored one stands for.
    func decode(_ stored: [UInt8]) throws -> [UInt8]
}

/// How a bucket's keys and values are turned on their way to the server and back; by default they are not.
///
/// The two are chosen independently. All clients of a bucket must use the same: nothing on the server says which.
public struct BucketCodecs: Sendable {
    /// What turns keys; nil leaves them as they are.
    public var key: (any KeyCodec)?
    /// What turns values; nil leaves them as they are.
    public var value: (any ValueCodec)?

    /// Keys and values as they are.
    public static let none = Self()

    /// Codecs for keys and for values.
    public init(key: (any KeyCodec)? = nil, value: (any ValueCodec)? = nil) {
        self.key = key
        self.value = value
    }
}
