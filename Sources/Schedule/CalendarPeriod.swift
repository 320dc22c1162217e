public import Foundation

/// An hour, a day, a week or a month of a time zone's calendar.
public enum CalendarPeriod: Sendable, Hashable, CaseIterable {
    /// From one full hour to the next.
    case hour
    /// From midnight to midnight.
    case day
    /// From Monday to Sunday.
    case week
    /// From the first to the last day.
    case month

    /// The period's number: two moments have the same one if they lie in the same period.
    ///
    /// `time` is in nanoseconds since 1970.
    public func number(of time: Int64, in timeZone: TimeZone) -> Int64 {
        let seconds = Self.floor(time, 1_000_000_000)
        let moment = Date(timeIntervalSince1970: TimeInterval(seconds))
        let local = seconds + Int64(timeZone.secondsFromGMT(for: moment))
        let day = Self.floor(local, 86_400)
        switch self {
        case .hour: return Self.floor(local, 3600)
        case .day: return day
        // 1970 began on a Thursday.
        case .week: return Self.floor(day + 3, 7)
        case .month: return Self.month(of: day)
        }
    }

    /// Months since year 0 of a day since 1970 (Howard Hinnant's algorithm).
    private static func month(of day: Int64) -> Int64 {
        let shifted = day + 719_468
        let era = floor(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let fromMarch = (5 * dayOfYear + 2) / 153
        // Years that begin in March have the months 0 to 11 in order; nothing more is asked of a number.
        return (yearOfEra + era * 400) * 12 + fromMarch
    }

    private static func floor(_ number: Int64, _ divisor: Int64) -> Int64 {
        let quotient = number / divisor
        return number % divisor < 0 ? quotient - 1 : quotient
    }
}
