import Daemon
import Foundation
import KVModel
import Schedule

/// Jobs in words.
enum JobText {
    /// The next time of a schedule, by its own clock.
    static func nextRun(_ schedule: Recurrence, after now: Timestamp) -> String {
        switch schedule {
        case .always: return "at once"
        case .manual: return "when asked for"
        case .cron(_, let zone):
            return schedule.next(after: now.nanoseconds).map { time($0, in: zone) } ?? "never"
        case .every:
            return schedule.next(after: now.nanoseconds).map { time($0, in: .gmt) } ?? "never"
        }
    }

    private static func time(_ nanoseconds: Int64, in zone: TimeZone) -> String {
        let formatter = ISO8601DateFormatter()
        formatter.timeZone = zone
        return formatter.string(from: Date(timeIntervalSince1970: Double(nanoseconds / 1_000_000_000)))
    }
}
