/// Stores values as Base64; by default as orbit.go does (URL alphabet, no padding).
public struct Base64ValueCodec: ValueCodec, Hashable {
    private let base64: Base64

    /// A codec of an alphabet, with padding or without it.
    public init(alphabet: Base64Alphabet = .url, isPadded: Bool = false) {
        base64 = Base64(alphabet: alphabet, isPadded: isPadded)
    }

    /// The value's Base64.
    public func encode(_ value: [UInt8]) throws -> [UInt8] {
        base64.encode(value)
    }

    /// The value that Base64 stands for, padded or not.
    ///
    /// Throws `KeyValueError` with `.undecodable` for anything else.
    public func decode(_ stored: [UInt8]) throws -> [UInt8] {
        guard let value = base64.decode(stored) else {
            throw KeyValueError(code: .undecodable, bucket: nil, text: "the value is not Base64")
        }
        return value
    }
}
