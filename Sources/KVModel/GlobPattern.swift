/// A pattern of names as shells know them: `*` is any run of characters, `?` any one.
public struct GlobPattern: Hashable, Sendable {
    /// The pattern as written.
    public let text: String

    /// A pattern, or a plain name.
    public init(text: String) {
        self.text = text
    }

    /// Whether the text is a pattern at all, not a plain name.
    public var isPattern: Bool { text.contains("*") || text.contains("?") }

    /// Whether a name fits.
    public func matches(_ name: String) -> Bool {
        let pattern = Array(text.unicodeScalars)
        let name = Array(name.unicodeScalars)
        var (position, at) = (0, 0)
        // Where to take up again, one character further on, if what follows the last star does not fit.
        var retry: (pattern: Int, name: Int)?
        while at < name.count {
            if position < pattern.count, pattern[position] == "*" {
                retry = (position + 1, at)
                position += 1
            } else if position < pattern.count, pattern[position] == "?" || pattern[position] == name[at] {
                position += 1
                at += 1
            } else if let (afterStar, start) = retry {
                retry = (afterStar, start + 1)
                position = afterStar
                at = start + 1
            } else {
                return false
            }
        }
        return pattern[position...].allSatisfy { $0 == "*" }
    }
}
