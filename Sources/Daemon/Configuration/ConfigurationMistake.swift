/// Something in a configuration file that is wrong, or that somebody should look at.
public struct ConfigurationMistake: Sendable, Hashable, CustomStringConvertible {
    /// The file's path.
    public var file: String
    /// Where it is, from 1.
    public var line: Int
    /// The character of the line, from 1.
    public var column: Int
    /// What is wrong; never with a secret in it.
    public var text: String
    /// What to write, or to do, instead.
    public var hint: String
    /// Whether the file can be used all the same.
    public var isWarning: Bool

    /// A line as compilers write it: `FILE:LINE:COLUMN: what is wrong; what to write instead`.
    public var description: String {
        "\(file):\(line):\(column): \(isWarning ? "warning: " : "")\(text); \(hint)"
    }
}

/// A place in a text.
struct TextPlace: Sendable, Hashable, Comparable {
    /// The line, from 1.
    var line: Int
    /// The character, from 1.
    var column: Int

    /// Where a text begins.
    static let start = TextPlace(line: 1, column: 1)

    static func < (left: Self, right: Self) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}
