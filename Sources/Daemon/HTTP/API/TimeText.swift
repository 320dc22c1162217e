import KVModel

/// Times and durations, given in nanoseconds, as programs and people read them.
enum TimeText {
    /// RFC 3339 in UTC.
    static func rfc3339(_ time: Int64) -> String {
        Timestamp(nanoseconds: time).description
    }

    /// Seconds with their fraction.
    static func seconds(_ nanoseconds: Int64) -> Double {
        Double(nanoseconds) / 1e9
    }

    /// A time in UTC to the second, or to the minute: `2026-11-22 03:00:00`, `2026-11-22 03:00`.
    static func clock(_ time: Int64, seconds: Bool = false) -> String {
        String(rfc3339(time).prefix(seconds ? 19 : 16)).replacing("T", with: " ")
    }

    /// How long ago or from now on a time is: `3 min ago`, `in 2 h 5 min`, `now`.
    static func relative(_ time: Int64, to now: Int64) -> String {
        let (difference, overflow) = time.subtractingReportingOverflow(now)
        guard !overflow else { return clock(time) }
        let seconds = abs(difference / 1_000_000_000)
        guard seconds > 0 else { return "now" }
        return difference < 0 ? span(seconds: seconds) + " ago" : "in " + span(seconds: seconds)
    }

    /// A duration in its two largest units: `45 s`, `2 h 5 min`, `3 d`; milliseconds below a second.
    static func span(_ nanoseconds: Int64) -> String {
        if nanoseconds < 10_000_000_000 {
            let tenths = (Double(max(0, nanoseconds)) / 1e8).rounded() / 10
            return nanoseconds < 1_000_000_000 ? "\(max(0, nanoseconds) / 1_000_000) ms" : "\(tenths) s"
        }
        return span(seconds: nanoseconds / 1_000_000_000)
    }

    private static func span(seconds: Int64) -> String {
        func pair(_ large: Int64, _ largeUnit: String, _ small: Int64, _ smallUnit: String) -> String {
            small == 0 ? "\(large) \(largeUnit)" : "\(large) \(largeUnit) \(small) \(smallUnit)"
        }
        return switch seconds {
        case ..<60: "\(seconds) s"
        case ..<600: pair(seconds / 60, "min", seconds % 60, "s")
        case ..<3600: "\(seconds / 60) min"
        case ..<86_400: pair(seconds / 3600, "h", seconds % 3600 / 60, "min")
        case ..<(10 * 86_400): pair(seconds / 86_400, "d", seconds % 86_400 / 3600, "h")
        default: "\(seconds / 86_400) d"
        }
    }
}
