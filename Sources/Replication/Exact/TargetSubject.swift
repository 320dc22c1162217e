import KVModel

/// The subject that an entry gets in the target: the one place where a key becomes a subject.
struct TargetSubject: Sendable {
    private var bytes: [UInt8]
    private let mapping: KeyMapping
    private let prefix: Int

    /// Subjects that begin with this and go on with the name that a mapping gives the key.
    init(prefix text: String, mapping: KeyMapping) {
        self.mapping = mapping
        bytes = Array(text.utf8)
        prefix = bytes.count
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
