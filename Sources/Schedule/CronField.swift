/// The fields of a cron expression, in the order that six of them have.
enum CronField: Int, Sendable, CaseIterable {
    case second
    case minute
    case hour
    case dayOfMonth
    case month
    case dayOfWeek

    /// As an error calls it.
    var name: String {
        switch self {
        case .second: "second"
        case .minute: "minute"
        case .hour: "hour"
        case .dayOfMonth: "day of month"
        case .month: "month"
        case .dayOfWeek: "day of week"
        }
    }

    /// The numbers that it has; a week also has 7 for its Sunday.
    var range: ClosedRange<Int> {
        switch self {
        case .second, .minute: 0...59
        case .hour: 0...23
        case .dayOfMonth: 1...31
        case .month: 1...12
        case .dayOfWeek: 0...6
        }
    }

    /// The names of its numbers, from the lowest on.
    var names: [String] {
        switch self {
        case .second, .minute, .hour, .dayOfMonth: []
        case .month: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
        case .dayOfWeek: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
        }
    }

    /// What a number of it may be, in words.
    var domain: String {
        switch self {
        case .second, .minute, .hour: "\(range.lowerBound) to \(range.upperBound)"
        case .dayOfMonth: "1 to 31, or L for the last day"
        case .month: "1 to 12, or jan to dec"
        case .dayOfWeek: "0 to 7, 0 and 7 for Sunday, or sun to sat"
        }
    }

    /// The number that a text says, by digits or by name.
    func number(_ text: Substring) -> Int? {
        if let index = names.firstIndex(of: text.lowercased()) { return range.lowerBound + index }
        guard !text.isEmpty, text.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let number = Int(text) else { return nil }
        if self == .dayOfWeek, number == 7 { return 7 }
        return range.contains(number) ? number : nil
    }
}

/// What one field of a cron expression says.
struct CronValues: Sendable, Hashable {
    /// Its numbers, each a bit.
    var numbers: UInt64 = 0
    /// Days of the week that are meant once a month: those of index 1 to 5 by their place in it, those of 0 as the last.
    var ordinals = [UInt64](repeating: 0, count: 6)
    /// Whether the last day of the month is meant.
    var hasLastDay = false
    /// Whether it leaves everything open, as `*` and `?` do.
    var isOpen = false
    /// Whether it was written with `*` or a step.
    var hasWildcard = false

    /// Why a part of a field is not understood.
    struct Fault: Error {
        var text: String
        var hint: String
    }

    /// Reads a field: parts between commas.
    init(_ text: Substring, _ field: CronField) throws(Fault) {
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard !part.isEmpty else {
                throw Fault(text: String(text), hint: "something is missing next to a comma; write for example 1,15")
            }
            try read(part, field)
        }
    }

    private mutating func read(_ part: Substring, _ field: CronField) throws(Fault) {
        switch field {
        case .dayOfMonth where part.lowercased() == "l":
            hasLastDay = true
            return
        case .dayOfWeek where try readOrdinal(part):
            return
        default:
            break
        }
        let pieces = part.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let bounds = pieces[0]
        var step = 1
        if pieces.count == 2 {
            let most = field == .dayOfWeek ? 7 : field.range.upperBound
            guard let number = Int(pieces[1]), 1...most ~= number, !pieces[1].hasPrefix("+") else {
                throw Fault(text: String(part), hint: "a step is a number from 1 to \(most)")
            }
            step = number
            hasWildcard = true
        }
        if bounds == "*" || bounds == "?" {
            guard bounds == "*" || (part == "?" && (field == .dayOfMonth || field == .dayOfWeek)) else {
                throw Fault(text: String(part), hint: "? stands alone for a day that is left open; write * here")
            }
            isOpen = isOpen || pieces.count == 1
            hasWildcard = true
            insert(from: field.range.lowerBound, to: field.range.upperBound, by: step, field)
            return
        }
        let (low, high) = try span(bounds, field)
        if pieces.count == 2, !bounds.contains("-") {
            insert(from: low, to: field.range.upperBound, by: step, field)
        } else {
            insert(from: low, to: high, by: step, field)
        }
    }

    /// Reads `fri#2`, `5L` or `L5`; false if the part is none of those.
    private mutating func readOrdinal(_ part: Substring) throws(Fault) -> Bool {
        let pieces = part.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        if pieces.count == 2 {
            guard let place = Int(pieces[1]), 1...5 ~= place, !pieces[1].hasPrefix("+") else {
                throw Fault(
                    text: String(part),
                    hint: "after # comes a number from 1 to 5, such as mon#2 for the second"
                )
            }
            let (low, high) = try span(pieces[0], .dayOfWeek)
            var days = CronValues()
            days.insert(from: low, to: high, by: 1, .dayOfWeek)
            ordinals[place] |= days.numbers
            return true
        }
        let lowered = part.lowercased()
        guard lowered.hasPrefix("l") || lowered.hasSuffix("l") else { return false }
        let day = lowered.hasPrefix("l") ? part.dropFirst() : part.dropLast()
        guard let number = CronField.dayOfWeek.number(day) else {
            throw Fault(text: String(part), hint: "L comes after a day, such as 5L or friL for the last Friday")
        }
        ordinals[0] |= 1 << UInt64(number % 7)
        return true
    }

    private init() {}

    /// The ends of a range; of a single number both are the same.
    private func span(_ text: Substring, _ field: CronField) throws(Fault) -> (Int, Int) {
        var ends: [Int] = []
        for end in text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false) {
            guard let number = field.number(end) else {
                let isNearest = field == .dayOfMonth && end.lowercased().hasSuffix("w")
                throw Fault(
                    text: String(text),
                    hint: isNearest ? "the nearest weekday (W) is not supported; write a day, 1 to 31" : field.domain
                )
            }
            ends.append(number)
        }
        return (ends[0], ends[ends.count - 1])
    }

    /// Adds a range, which goes on at the field's beginning if it ends before it begins.
    private mutating func insert(from low: Int, to high: Int, by step: Int, _ field: CronField) {
        let count = field.range.count
        let from = low == 7 && field == .dayOfWeek && high != 7 ? 0 : low
        let length = high >= from ? high - from : high + count - from
        for distance in stride(from: 0, through: length, by: step) {
            numbers |= 1 << UInt64((from - field.range.lowerBound + distance) % count + field.range.lowerBound)
        }
    }
}
