import Daemon
import Foundation
import KVModel
import Schedule

/// Jobs in words.
enum JobText {
    /// What a job does.
    static func work(_ work: JobSettings.Work) -> String {
        switch work {
        case .backup(let work):
            let follows = work.follows ? ", followed" : ""
            return "backup of \(work.buckets.joined(separator: ", ")) on \(work.cluster) to \(work.archive)\(follows)"
        case .mirror(let work):
            return "mirror of \(location(work.source)) to \(location(work.target))"
        case .drill(let work):
            return "drill of \(work.bucket?.rawValue ?? "every bucket") of \(work.archive) on \(work.cluster)"
        case .verify(let work):
            return "verify \(work.archive)" + (work.against.map { " against \(location($0))" } ?? "")
        case .prune(let work):
            return "prune \(work.archive)"
        case .reconcile(let work):
            return "reconcile \(location(work.target)) with \(location(work.source))"
        }
    }

    /// The word for it in the file.
    static func kind(_ work: JobSettings.Work) -> String {
        switch work {
        case .backup: "backup"
        case .mirror: "mirror"
        case .drill: "drill"
        case .verify: "verify"
        case .prune: "prune"
        case .reconcile: "reconcile"
        }
    }

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

    private static func location(_ location: BucketLocation) -> String {
        "\(location.cluster)/\(location.bucket)"
    }

    private static func time(_ nanoseconds: Int64, in zone: TimeZone) -> String {
        let formatter = ISO8601DateFormatter()
        formatter.timeZone = zone
        return formatter.string(from: Date(timeIntervalSince1970: Double(nanoseconds / 1_000_000_000)))
    }
}
