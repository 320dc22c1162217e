/// The subject that an entry gets in the target: the one place where a key becomes a subject.
struct TargetSubject: Sendable {
    private var bytes: [UInt8]
    private let prefix: Int

    /// Subjects that begin with this.
    init(prefix text: String) {
        bytes = Array(text.utf8)
        prefix = bytes.count
    }

    /// Lends the subject of a key to `body`.
    mutating func withSubject<Result>(
        of key: UnsafeRawBufferPointer,
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        bytes.removeSubrange(prefix...)
        bytes.append(contentsOf: key)
        return try bytes.withUnsafeBytes(body)
    }
}
