/// What is wrong with a name, a pattern or a setting that somebody typed.
public enum ModelError: Error, Sendable, Equatable {
    /// Not a bucket name.
    case invalidBucketName(String)
    /// Not a key.
    case invalidKey(String, reason: String)
    /// Not a key pattern.
    case invalidPattern(String, reason: String)
    /// Not a rule that maps keys.
    case invalidMapping(String, reason: String)
    /// Not a duration.
    case invalidDuration(String)
    /// Not a size in bytes.
    case invalidSize(String)
    /// A setting that does not exist.
    case unknownSetting(String, known: [String])
    /// A setting whose value does not fit.
    case invalidSetting(String, value: String, reason: String)
}

extension ModelError: CustomStringConvertible {
    /// What is wrong, and what would be right.
    public var description: String {
        switch self {
        case .invalidBucketName(let name):
            "\"\(name)\" is not a bucket name: use letters, digits, - and _, at most 252 of them"
        case .invalidKey(let key, let reason):
            "\"\(key)\" is not a key: \(reason)"
        case .invalidPattern(let pattern, let reason):
            "\"\(pattern)\" is not a key pattern: \(reason)"
        case .invalidMapping(let rule, let reason):
            "\"\(rule)\" does not map keys: \(reason)"
        case .invalidDuration(let text):
            "\"\(text)\" is not a duration: write for example 90s, 15m, 24h, 30d or 1h30m"
        case .invalidSize(let text):
            "\"\(text)\" is not a size: write for example 4096, 512KiB, 64MiB or 10GB"
        case .unknownSetting(let name, let known):
            "there is no setting \"\(name)\"; the settings are \(known.joined(separator: ", "))"
        case .invalidSetting(let name, let value, let reason):
            "\(name)=\(value): \(reason)"
        }
    }
}
