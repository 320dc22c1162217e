import KVModel

/// The subject that an entry gets in an exactly restored bucket.
struct TargetSubject: Sendable {
    private var bytes: [UInt8]
    private let prefix: Int
    private let mapping: KeyMapping

    /// Subjects that begin with this.
    init(prefix text: String, mapping: KeyMapping) {
        bytes = Array(text.utf8)
        prefix = bytes.count
        self.mapping = mapping
    }

    /// Lends the subject of a key to `body`.
    mutating func withSubject<Result>(
        of key: UnsafeRawBufferPointer,
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        bytes.removeSubrange(prefix...)
        mapping.append(key, to: &bytes)
        return try bytes.withUnsafeBytes(body)
    }
}
