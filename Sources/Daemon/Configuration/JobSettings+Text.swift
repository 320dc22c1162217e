import Foundation
import KVModel
import Schedule

extension JobSettings {
    /// What the job does, in the file's word for it.
    public var kind: String {
        switch work {
        case .backup: "backup"
        case .mirror: "mirror"
        case .drill: "drill"
        case .verify: "verify"
        case .prune: "prune"
        case .reconcile: "reconcile"
        }
    }

    /// What the job does, and with what.
    public var summary: String {
        switch work {
        case .backup(let work):
            let follows = work.follows ? ", followed" : ""
            return "backup of \(work.buckets.joined(separator: ", ")) on \(work.cluster) to \(work.archive)\(follows)"
        case .mirror(let work): return "mirror of \(work.source) to \(work.target)"
        case .drill(let work):
            return "drill of \(work.bucket?.rawValue ?? "every bucket") of \(work.archive) on \(work.cluster)"
        case .verify(let work): return "verify \(work.archive)" + (work.against.map { " against \($0)" } ?? "")
        case .prune(let work): return "prune \(work.archive)"
        case .reconcile(let work): return "reconcile \(work.target) with \(work.source)"
        }
    }

    /// When the job runs, as the file says it, with the time zone.
    public var scheduleText: String {
        guard case .cron(_, let zone) = schedule else { return "\(schedule)" }
        return "\(schedule) (\(zone.identifier))"
    }
}

extension BucketLocation: CustomStringConvertible {
    /// `CLUSTER/NAME`.
    public var description: String { "\(cluster)/\(bucket)" }
}

extension DaemonConfiguration {
    /// A job by its name; throws `.unknownJob` with what may have been meant.
    public func job(_ name: String) throws(DaemonError) -> JobSettings {
        if let job = jobs.first(where: { $0.name == name }) { return job }
        throw unknownJob(name)
    }

    func unknownJob(_ name: String) -> DaemonError {
        let names = jobs.map(\.name)
        let known = names.isEmpty ? "the configuration has no jobs" : "there are \(names.joined(separator: ", "))"
        return DaemonError(
            .unknownJob,
            text: "there is no job \"\(name)\"",
            hint: Spelling.closest(to: name, among: names).map { "did you mean \($0)?" } ?? known
        )
    }
}
