/// The name of a value in a bucket: bytes, because servers accept keys that are not UTF-8.
public struct Key: Hashable, Comparable, Sendable {
    /// The bytes as they stand in the subject after `$KV.<bucket>.`.
    public let bytes: [UInt8]

    /// A key of these bytes.
    public init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// A key of this text's UTF-8.
    public init(_ text: String) {
        bytes = Array(text.utf8)
    }

    /// Whether clients accept the key: `[-/_=.A-Za-z0-9]+`, no dot at either end, no empty token (ADR-8).
    public var isLegal: Bool {
        !bytes.isEmpty && isStorable && bytes.allSatisfy(Self.isLegal)
    }

    /// Whether a server can store the key at all: no empty token, no space or control character, no wildcard token.
    ///
    /// Servers store embedded control characters and wildcards too, but a space or line end breaks the protocol's
    /// framing for every reader, so such a key is never sent.
    public var isStorable: Bool { bytes.withUnsafeBytes { Self.isStorable($0) } }

    /// The same of a key that is not one yet.
    public static func isStorable(_ key: UnsafeRawBufferPointer) -> Bool {
        guard !key.isEmpty else { return false }
        var tokenStart = 0
        for index in 0...key.count {
            guard index == key.count || key[index] == 46 else {
                guard key[index] > 32, key[index] != 127 else { return false }
                continue
            }
            let length = index - tokenStart
            guard length > 0, length > 1 || (key[tokenStart] != 42 && key[tokenStart] != 62) else { return false }
            tokenStart = index + 1
        }
        return true
    }

    private static func isLegal(_ byte: UInt8) -> Bool {
        switch byte {
        case 45, 46, 47, 61, 95, 48...57, 65...90, 97...122: true
        default: false
        }
    }

    /// Keys in the order of their bytes.
    public static func < (left: Self, right: Self) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }
}

extension Key: CustomStringConvertible, ExpressibleByStringLiteral {
    /// The key as text; bytes that are not printable UTF-8 as `\xNN`.
    public var description: String {
        if let text = String(validating: bytes, as: UTF8.self),
            text.unicodeScalars.allSatisfy({ $0.value > 31 && $0.value != 127 })
        {
            return text
        }
        return bytes.map { byte in
            (32...126).contains(byte) && byte != 92
                ? String(UnicodeScalar(byte))
                : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }

    /// A key of this text's UTF-8.
    public init(stringLiteral value: String) {
        self.init(value)
    }
}
