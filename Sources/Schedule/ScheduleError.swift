/// What is wrong with a schedule that somebody wrote.
public enum ScheduleError: Error, Sendable, Hashable {
    /// It says nothing.
    case empty
    /// A cron expression of so many fields, which are not five or six.
    case fieldCount(String, count: Int)
    /// A field holds what it cannot hold: its name, its place from 1, what stands there and what to write instead.
    case field(name: String, position: Int, text: String, hint: String, expression: String)
    /// No day of any year fits it.
    case neverComes(String)
    /// A word that begins with `@` and is none of those there are.
    case unknownWord(String)
    /// Not a span of time after `@every`.
    case invalidInterval(String)
}

extension ScheduleError: CustomStringConvertible {
    /// What is wrong, and what would be right.
    public var description: String {
        switch self {
        case .empty:
            "the schedule is empty: write for example \"0 3 * * *\", \"@every 15m\", always or manual"
        case .fieldCount(let text, let count):
            "\"\(text)\" has \(count) \(count == 1 ? "field" : "fields"): write minute, hour, day of month, month and "
                + "day of week, such as \"0 3 * * *\", with the second before them if it matters; "
                + "or \"@every 15m\", always or manual"
        case .field(let name, let position, let text, let hint, let expression):
            "\"\(expression)\": \(name) \(text) (field \(position)): \(hint)"
        case .neverComes(let text):
            "\"\(text)\" never comes: its months have no such day; L is the last day of every month"
        case .unknownWord(let word):
            "\"\(word)\" is not a schedule: write @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, "
                + "\"@every 15m\", always or manual"
        case .invalidInterval(let text):
            "\"@every \(text)\" is not a schedule: write a span of at least 1s, such as 90s, 15m, 1h30m, 2d or 1w"
        }
    }
}
