// Schedule holds what is decided by time alone: when a job's times come, and which points a retention policy keeps. It is
// pure: time is an argument, a clock is never read, nothing is written down and nothing is waited for. Times are
// nanoseconds since 1970-01-01T00:00:00Z. Days, weeks and months begin at midnight of the time zone that is given, weeks
// on Monday as ISO 8601 has them. It knows nothing of archives or jobs, only of points in time. Start with
// `Recurrence` and `RetentionPolicy`.

public import Foundation

/// Which points of a history are kept, as people say it: everything of 30 days, one a day for two weeks, and so on.
///
/// Each rule keeps points of its own; what one rule keeps stays, whatever the others say. The newest point always stays.
public struct RetentionPolicy: Sendable, Hashable {
    /// A point, as far as a policy looks at it.
    public struct Point: Sendable, Hashable {
        /// Nanoseconds since 1970.
        public var time: Int64
        /// Whether somebody gave it a name.
        public var isTagged: Bool

        /// A point in time.
        public init(time: Int64, isTagged: Bool = false) {
            self.time = time
            self.isTagged = isTagged
        }
    }

    /// Why a point is kept.
    public enum Reason: String, Sendable, Hashable, CaseIterable {
        /// It is the newest one.
        case newest
        /// It lies within the span that is kept whole.
        case within
        /// It is one of the last.
        case last
        /// It is the last one of its hour.
        case hourly
        /// It is the last one of its day.
        case daily
        /// It is the last one of its week.
        case weekly
        /// It is the last one of its month.
        case monthly
        /// It has a tag.
        case tag
    }

    /// Keeps all points of this span before the newest point, in nanoseconds.
    ///
    /// It counts back from the newest point, not from now: a history that has stopped growing does not wither.
    public var within: Int64?
    /// Keeps so many of the newest points.
    public var last: Int
    /// Keeps the last point of so many hours that have one.
    public var hourly: Int
    /// Keeps the last point of so many days that have one.
    public var daily: Int
    /// Keeps the last point of so many weeks that have one.
    public var weekly: Int
    /// Keeps the last point of so many months that have one.
    public var monthly: Int
    /// Keeps all points with a tag.
    public var keepsTags: Bool

    /// A policy of these rules.
    public init(
        within: Int64? = nil,
        last: Int = 0,
        hourly: Int = 0,
        daily: Int = 0,
        weekly: Int = 0,
        monthly: Int = 0,
        keepsTags: Bool = false
    ) {
        self.within = within
        self.last = last
        self.hourly = hourly
        self.daily = daily
        self.weekly = weekly
        self.monthly = monthly
        self.keepsTags = keepsTags
    }

    /// Whether no rule says anything: then only the newest point would stay.
    public var isEmpty: Bool { self == RetentionPolicy() }

    /// Of each point why it is kept; points without a reason go.
    ///
    /// The points must be given oldest first.
    public func decide(_ points: [Point], timeZone: TimeZone = .gmt) -> [Set<Reason>] {
        var reasons = [Set<Reason>](repeating: [], count: points.count)
        guard let newest = points.last else { return reasons }
        reasons[points.count - 1].insert(.newest)
        let (bound, overflow) = newest.time.subtractingReportingOverflow(within ?? 0)
        let horizon = overflow ? Int64.min : bound
        for (index, point) in points.enumerated() {
            if within != nil, point.time >= horizon { reasons[index].insert(.within) }
            if points.count - index <= last { reasons[index].insert(.last) }
            if keepsTags, point.isTagged { reasons[index].insert(.tag) }
        }
        let rules: [(Int, CalendarPeriod, Reason)] = [
            (hourly, .hour, .hourly), (daily, .day, .daily), (weekly, .week, .weekly), (monthly, .month, .monthly),
        ]
        for (count, period, reason) in rules where count > 0 {
            var left = count
            var previous: Int64?
            for index in points.indices.reversed() {
                let number = period.number(of: points[index].time, in: timeZone)
                guard number != previous else { continue }
                guard left > 0 else { break }
                reasons[index].insert(reason)
                previous = number
                left -= 1
            }
        }
        return reasons
    }
}
