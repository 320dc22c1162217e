extension Key {
    /// The key as text; nil if it is not UTF-8.
    public var text: String? {
        String(validating: bytes, as: UTF8.self)
    }

    /// Takes a key that clients accept: `[-/_=.A-Za-z0-9]+`, no dot at either end, no empty token (ADR-8).
    ///
    /// Throws `ModelError.invalidKey` for anything else. Keys of a bucket with a key codec may be any text: use
    /// `Key(_:)` for those.
    public init(validating text: String) throws(ModelError) {
        self.init(text)
        guard !isLegal else { return }
        if text.isEmpty {
            throw .invalidKey(text, reason: "it is empty")
        } else if text.utf8.first == 46 || text.utf8.last == 46 {
            throw .invalidKey(text, reason: "no dot may stand at either end")
        } else if bytes.split(separator: 46, omittingEmptySubsequences: false).contains(where: \.isEmpty) {
            throw .invalidKey(text, reason: "no part between dots may be empty")
        }
        throw .invalidKey(text, reason: "use letters, digits, - / _ = and .")
    }
}
