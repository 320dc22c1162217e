/// A key's name in the target as 16 bytes, for tables of many keys.
///
/// Hashed anew in every process. Keys of one digest share what is known of them, so there must be none: 128 bits see to that.
struct KeyDigest: Hashable, Sendable {
    private let first: Int
    private let second: Int

    init(_ key: UnsafeRawBufferPointer) {
        var hasher = Hasher()
        hasher.combine(bytes: key)
        first = hasher.finalize()
        hasher = Hasher()
        hasher.combine(UInt8(1))
        hasher.combine(bytes: key)
        second = hasher.finalize()
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(first)
    }
}
