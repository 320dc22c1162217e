/// Several value codecs one after the other: values are encoded from the first to the last, decoded from the last to
/// the first.
public struct ValueCodecChain: ValueCodec {
    private let codecs: [any ValueCodec]

    /// A chain of codecs; throws `KeyValueError` with `.invalidOption` if there are none.
    public init(_ codecs: [any ValueCodec]) throws {
        guard !codecs.isEmpty else {
            throw KeyValueError(code: .invalidOption, bucket: nil, text: "a chain needs at least one value codec")
        }
        self.codecs = codecs
    }

    /// What all the codecs make of a value.
    public func encode(_ value: [UInt8]) throws -> [UInt8] {
        try codecs.reduce(value) { try $1.encode($0) }
    }

    /// The value that a stored one stands for.
    public func decode(_ stored: [UInt8]) throws -> [UInt8] {
        try codecs.reversed().reduce(stored) { try $1.decode($0) }
    }
}
