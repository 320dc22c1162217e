public import Foundation

/// A cron expression: the times of a calendar's clock at which something runs.
///
/// It has five fields, minute, hour, day of month, month and day of week, or six with the second before them:
///
/// - `*`, numbers, ranges `a-b`, steps `*/n`, `a-b/n` and `a/n` (from a to the end), and lists of all these;
/// - months also as `jan` to `dec` and days of the week as `sun` to `sat`; 0 and 7 both are Sunday;
/// - ranges that go past the end, such as `22-2` or `fri-mon`;
/// - `L` for the last day of the month, `5L` or `friL` for its last Friday, `fri#2` for its second one;
/// - `?` in place of `*` for one of the days.
///
/// If both the day of the month and that of the week are something else than `*` or `?`, a day fits that fits one of
/// them. `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly` and `@annually` are understood as well.
///
/// Where the zone's clocks are changed, Vixie cron's rules hold:
///
/// - A fixed time, without `*` and steps in the fields of minute and hour, comes once. If its hour does not exist that
///   day, it comes at the first moment after the gap, together with all others of the gap; of an hour that occurs
///   twice, it comes in the first.
/// - With `*` or a step in one of these fields, time that elapses counts: it comes whenever the clock shows a time that
///   fits, in both of two equal hours, and in an hour that does not exist it does not come.
public struct CronExpression: Sendable, Hashable {
    /// As it was written.
    public let text: String

    private let seconds: UInt64
    private let minutes: UInt64
    private let hours: UInt64
    private let days: CronDays
    /// Whether every moment counts at which the clock shows a time that fits, rather than the first of each time.
    private let countsElapsedTime: Bool

    private static let words = [
        "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
        "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
    ]

    /// Nanoseconds since 1970 end in this year.
    private static let lastYear: Int64 = 2262

    /// Reads an expression.
    public init(_ text: String) throws(ScheduleError) {
        let written = text.split(whereSeparator: \.isWhitespace)
        guard let first = written.first else { throw .empty }
        var fields = written
        if first.hasPrefix("@") {
            guard written.count == 1, let meant = Self.words[first.lowercased()] else {
                throw .unknownWord(written.joined(separator: " "))
            }
            fields = meant.split(separator: " ")
        }
        guard fields.count == 5 || fields.count == 6 else { throw .fieldCount(text, count: fields.count) }
        if fields.count == 5 { fields.insert("0", at: 0) }
        var values: [CronValues] = []
        for field in CronField.allCases {
            do throws(CronValues.Fault) {
                values.append(try CronValues(fields[field.rawValue], field))
            } catch {
                throw .field(
                    name: field.name,
                    position: field.rawValue + written.count - 5,
                    text: error.text,
                    hint: error.hint,
                    expression: text
                )
            }
        }
        self.text = text
        seconds = values[CronField.second.rawValue].numbers
        minutes = values[CronField.minute.rawValue].numbers
        hours = values[CronField.hour.rawValue].numbers
        countsElapsedTime =
            values[CronField.minute.rawValue].hasWildcard || values[CronField.hour.rawValue].hasWildcard
        days = CronDays(
            months: values[CronField.month.rawValue],
            ofMonth: values[CronField.dayOfMonth.rawValue],
            ofWeek: values[CronField.dayOfWeek.rawValue]
        )
        // The calendar repeats itself after 400 years.
        guard days.next(from: CivilDate(year: 2000, month: 1, day: 1), lastYear: 2399) != nil else {
            throw .neverComes(text)
        }
    }

    /// The first time after a moment, both in nanoseconds since 1970; nil if it is beyond what those can say.
    public func next(after time: Int64, in timeZone: TimeZone) -> Int64? {
        let offsets = ZoneOffsets.of(timeZone)
        let second = time.dividedDown(by: 1_000_000_000)
        let found = countsElapsedTime ? nextElapsed(after: second, offsets) : nextFixed(after: second, offsets)
        guard let found else { return nil }
        let (nanoseconds, overflow) = found.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? nil : nanoseconds
    }

    private func nextFixed(after second: Int64, _ offsets: ZoneOffsets) -> Int64? {
        guard let local = nextLocal(from: offsets.latest(until: second) + 1) else { return nil }
        return offsets.first(reaching: local)
    }

    private func nextElapsed(after second: Int64, _ offsets: ZoneOffsets) -> Int64? {
        var from = second + 1
        while true {
            let span = offsets.span(at: from)
            guard let local = nextLocal(from: from + span.offset) else { return nil }
            if local - span.offset < span.end { return local - span.offset }
            from = span.end
        }
    }

    /// The next local time that fits, the given one included, in seconds since 1970 as if it were Greenwich's.
    private func nextLocal(from local: Int64) -> Int64? {
        let number = local.dividedDown(by: 86_400)
        let today = CivilDate(daysSince1970: number)
        var day = days.next(from: today, lastYear: Self.lastYear)
        if day == today {
            if let time = nextTime(from: Int(local - number * 86_400)) { return number * 86_400 + Int64(time) }
            day = days.next(from: CivilDate(daysSince1970: number + 1), lastYear: Self.lastYear)
        }
        guard let day, let time = nextTime(from: 0) else { return nil }
        return day.daysSince1970 * 86_400 + Int64(time)
    }

    /// The next second of a day that fits, the given one included.
    private func nextTime(from start: Int) -> Int? {
        var minute = start / 60
        var second = start % 60
        while let hour = Self.next(in: hours, from: minute / 60) {
            if hour > minute / 60 {
                minute = hour * 60
                second = 0
            }
            while let ofHour = Self.next(in: minutes, from: minute - hour * 60) {
                if ofHour > minute - hour * 60 {
                    minute = hour * 60 + ofHour
                    second = 0
                }
                if let ofMinute = Self.next(in: seconds, from: second) { return minute * 60 + ofMinute }
                minute += 1
                second = 0
            }
            minute = (hour + 1) * 60
            second = 0
        }
        return nil
    }

    /// The lowest number of a set that is not below another.
    private static func next(in numbers: UInt64, from low: Int) -> Int? {
        let left = (numbers >> UInt64(low)) << UInt64(low)
        return left == 0 ? nil : left.trailingZeroBitCount
    }
}
