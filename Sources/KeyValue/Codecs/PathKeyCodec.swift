public import KVModel

/// Lets keys be written as paths: `/user/profile` is stored as `_root_.user.profile`, `user/profile` as `user.profile`.
///
/// It is the codec of orbit.go. A slash at the end is not kept. Dots mean the same as slashes, and come back as those.
/// Patterns are written as paths too: `/user/*`, `/user/>`.
public struct PathKeyCodec: PatternKeyCodec, Hashable {
    private static let root = Array("_root_".utf8)

    /// The codec; it has no options.
    public init() {}

    /// The path as it is stored.
    public func encode(_ key: Key) throws -> Key {
        Key(bytes: Self.encode(key.bytes))
    }

    /// The path that a stored key stands for.
    public func decode(_ stored: Key) throws -> Key {
        var path = stored.bytes.map { $0 == 46 ? 47 : $0 }
        if stored.bytes == Self.root {
            path = [47]
        } else if stored.bytes.starts(with: Self.root + [46]) {
            path.removeFirst(Self.root.count)
        }
        return Key(bytes: path)
    }

    /// The pattern of stored keys whose paths a pattern matches.
    public func encode(_ pattern: KeyPattern) throws -> KeyPattern {
        try KeyPattern(encoded: Self.encode(Array(pattern.description.utf8)), of: pattern)
    }

    private static func encode(_ path: [UInt8]) -> [UInt8] {
        guard path != [47] else { return root }
        var bytes = path.first == 47 ? root + path : path
        if bytes.last == 47 { bytes.removeLast() }
        return bytes.map { $0 == 47 ? 46 : $0 }
    }
}
