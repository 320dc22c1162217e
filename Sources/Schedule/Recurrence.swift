public import Foundation

/// When a job runs.
public enum Recurrence: Sendable, Hashable {
    /// At the times of a cron expression, reckoned in a time zone.
    case cron(CronExpression, TimeZone)
    /// So many nanoseconds after the last run began, counted from 1970: every daemon has the same times.
    case every(Int64)
    /// All the time: begun again when it ends.
    case always
    /// Only when somebody asks for it.
    case manual
}
