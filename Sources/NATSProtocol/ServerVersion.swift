/// The version of a server, as `INFO` tells it: `2.15.1`, `2.11.0-RC.2`.
///
/// A pre-release compares equal to its release: what matters is which features are there.
public struct ServerVersion: Comparable, Hashable, Sendable, CustomStringConvertible {
    /// The first number.
    public let major: Int

    /// The second number.
    public let minor: Int

    /// The third number.
    public let patch: Int

    /// Makes a version from its numbers.
    public init(major: Int, minor: Int, patch: Int) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// Reads `major.minor[.patch]`, with an optional `v` before and anything after a `-` or `+`; nil for other texts.
    public init?(_ text: String) {
        let bare = text.hasPrefix("v") ? text.dropFirst() : text[...]
        let numbers = bare.prefix { $0 != "-" && $0 != "+" }.split(separator: ".", omittingEmptySubsequences: false)
        guard (2...3).contains(numbers.count), let major = Int(numbers[0]), let minor = Int(numbers[1])
        else { return nil }
        guard let patch = numbers.count == 3 ? Int(numbers[2]) : 0 else { return nil }
        guard major >= 0, minor >= 0, patch >= 0 else { return nil }
        self.init(major: major, minor: minor, patch: patch)
    }

    /// The version in the usual writing.
    public var description: String { "\(major).\(minor).\(patch)" }

    /// Orders by major, then minor, then patch.
    public static func < (left: ServerVersion, right: ServerVersion) -> Bool {
        (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }
}
