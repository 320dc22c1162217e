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
        let seconds = time.dividedDown(by: 1_000_000_000)
        let moment = Date(timeIntervalSince1970: TimeInterval(seconds))
        let local = seconds + Int64(timeZone.secondsFromGMT(for: moment))
        let day = local.dividedDown(by: 86_400)
        switch self {
        case .hour: return local.dividedDown(by: 3600)
        case .day: return day
        // 1970 began on a Thursday.
        case .week: return (day + 3).dividedDown(by: 7)
        case .month:
            let date = CivilDate(daysSince1970: day)
            return date.year * 12 + date.month
        }
    }
}
