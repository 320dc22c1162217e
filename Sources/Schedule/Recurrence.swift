public import Foundation

/// When a job runs.
public enum Recurrence: Sendable, Hashable {
    /// At the times of a cron expression, reckoned in a time zone.
    case cron(CronExpression, TimeZone)
    /// Every so many nanoseconds, at the multiples of them since 1970: every daemon has the same times.
    case every(Int64)
    /// All the time: begun again when it ends.
    case always
    /// Only when somebody asks for it.
    case manual

    /// Reads a cron expression, `@every` with a span such as `90s`, `15m`, `1h30m` or `2d`, `always` or `manual`.
    public init(parsing text: String, in timeZone: TimeZone) throws(ScheduleError) {
        let words = text.split(whereSeparator: \.isWhitespace)
        switch words.first?.lowercased() {
        case "always" where words.count == 1: self = .always
        case "manual" where words.count == 1: self = .manual
        case "@every":
            let span = words.dropFirst().joined(separator: " ")
            guard let nanoseconds = Self.nanoseconds(span), nanoseconds >= 1_000_000_000 else {
                throw .invalidInterval(span)
            }
            self = .every(nanoseconds)
        default: self = .cron(try CronExpression(text), timeZone)
        }
    }

    /// The first time after a moment, both in nanoseconds since 1970; nil if it has no times, or none before 2262.
    public func next(after time: Int64) -> Int64? {
        switch self {
        case .cron(let expression, let timeZone):
            return expression.next(after: time, in: timeZone)
        case .every(let interval):
            guard interval > 0 else { return nil }
            let (next, overflow) = time.addingReportingOverflow(interval - Self.remainder(time, interval))
            return overflow ? nil : next
        case .always, .manual:
            return nil
        }
    }

    /// The latest time that is not after a moment and not before another; nil if none comes between them.
    public func latest(until time: Int64, notBefore earliest: Int64) -> Int64? {
        if case .every(let interval) = self, interval > 0 {
            let (latest, overflow) = time.subtractingReportingOverflow(Self.remainder(time, interval))
            return overflow || latest < earliest ? nil : latest
        }
        guard earliest > .min else { return nil }
        // Looks back further and further: to go through all times from the earliest on could take long.
        var span: Int64 = 60_000_000_000
        while true {
            let (back, overflow) = time.subtractingReportingOverflow(span)
            let start = overflow || span > .max / 4 ? earliest - 1 : max(back, earliest - 1)
            if var latest = next(after: start), latest <= time {
                while let next = next(after: latest), next <= time { latest = next }
                return latest
            }
            guard start > earliest - 1 else { return nil }
            span *= 2
        }
    }

    /// How long ago the last multiple of an interval was.
    private static func remainder(_ time: Int64, _ interval: Int64) -> Int64 {
        let remainder = time % interval
        return remainder < 0 ? remainder + interval : remainder
    }

    private static let units: [(suffix: Substring, nanoseconds: Int64)] = [
        ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000), ("w", 604_800_000_000_000),
    ]

    private static func nanoseconds(_ text: String) -> Int64? {
        var total: Int64 = 0
        var rest = text[...]
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            let suffix = rest.dropFirst(digits.count).prefix { $0.isLetter }
            rest = rest.dropFirst(digits.count + suffix.count)
            guard let unit = units.first(where: { $0.suffix == suffix }), let number = Int64(digits) else {
                return nil
            }
            let (part, tooLong) = number.multipliedReportingOverflow(by: unit.nanoseconds)
            let (sum, overflow) = total.addingReportingOverflow(part)
            guard !tooLong, !overflow else { return nil }
            total = sum
        }
        return total
    }
}

extension Recurrence: CustomStringConvertible {
    /// As somebody would write it, without the time zone.
    public var description: String {
        switch self {
        case .cron(let expression, _): return expression.text
        case .always: return "always"
        case .manual: return "manual"
        case .every(let interval):
            var text = ""
            var rest = interval
            for unit in Self.units.reversed() where rest >= unit.nanoseconds {
                text += "\(rest / unit.nanoseconds)\(unit.suffix)"
                rest %= unit.nanoseconds
            }
            return "@every \(text)"
        }
    }
}
