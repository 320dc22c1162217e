/// When output is coloured.
enum ColorMode: String, CaseIterable, Sendable {
    /// On a terminal, unless `NO_COLOR` is set.
    case auto
    /// Always.
    case always
    /// Never.
    case never

    /// Whether to colour what goes to a stream.
    func colors(isTerminal: Bool, environment: [String: String]) -> Bool {
        switch self {
        case .always: return true
        case .never: return false
        case .auto:
            // https://no-color.org: any value but the empty one counts.
            let forbids = environment["NO_COLOR"].map { !$0.isEmpty } ?? false
            return isTerminal && !forbids && environment["TERM"] != "dumb"
        }
    }
}

/// How a piece of text stands out on a terminal.
enum TextStyle: String, Sendable {
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"

    /// The text in this style, or as it is.
    func applied(to text: String, isOn: Bool) -> String {
        isOn ? "\u{1B}[\(rawValue)m\(text)\u{1B}[0m" : text
    }
}
