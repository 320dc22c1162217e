import KVModel
import Replication

/// What is said of a mirror and of the comparison of its two buckets.
enum MirrorText {
    /// The progress line.
    static func progress(_ state: MirrorProgress, of target: BucketName) -> ProgressText {
        ProgressText(
            activity: "\(target): \(state.phase == .live ? "live" : "catching up")",
            entries: state.entries,
            total: state.phase == .syncing && state.lagEntries > 0
                ? state.entries.addingClamped(state.lagEntries) : nil,
            bytes: state.bytes,
            remark: remark(state)
        )
    }

    /// The progress of a comparison.
    static func progress(_ state: ReconciliationProgress, of target: BucketName) -> ProgressText {
        let activity =
            switch state.phase {
            case .readingSource: "reading the source"
            case .readingTarget: "reading the target"
            case .checking: "looking at what differs"
            }
        return ProgressText(activity: "\(target): \(activity)", entries: state.entries, total: state.total)
    }

    /// How far a mirror is, on a line of its own.
    static func line(_ state: MirrorProgress) -> String {
        let entries = NumberText.count(state.entries, "entry")
        let parts = [state.phase == .live ? "live" : "catching up", "\(entries) written", remark(state)]
        return parts.compactMap(\.self).joined(separator: ", ")
    }

    private static func remark(_ state: MirrorProgress) -> String? {
        var parts = lag(state).map { [$0] } ?? []
        if state.interruptions > 0 { parts.append(NumberText.count(state.interruptions, "interruption")) }
        if state.foreignChanges > 0 { parts.append(NumberText.count(state.foreignChanges, "foreign change")) }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }

    private static func lag(_ state: MirrorProgress) -> String? {
        // Before it has begun to read it knows nothing of that.
        guard state.lagEntries > 0 || state.lagTime > .zero else { return state.phase == .live ? "up to date" : nil }
        return "\(NumberText.count(state.lagEntries, "entry")) and \(NumberText.duration(state.lagTime)) behind"
    }

    /// What a mirror did.
    static func lines(_ report: MirrorReport) -> [String] {
        let source = "\(report.sourceCluster)/\(report.source)".escapedForTerminal
        let state =
            switch report.outcome {
            case .caughtUp: "equal to"
            case .notCaughtUp: "not caught up, has all up to"
            case .stopped: "stopped at"
            }
        var work = "  wrote \(NumberText.count(report.written, "entry")) (\(NumberText.bytes(report.bytes))) "
        work += report.fromRevision == 0 ? "from the beginning" : "after revision \(report.fromRevision)"
        work += " in \(NumberText.duration(report.duration))"
        var lines = ["\(report.target): \(state) revision \(report.resumeRevision) of \(source)", work]
        if report.isTargetNew { lines.append("  the bucket was made, with the source's settings") }
        if report.resynced {
            lines.append(
                "  the source was another one than before: the target "
                    + (report.outcome == .notCaughtUp ? "is still being" : "was") + " made equal to it, "
                    + "\(NumberText.count(report.removed, "key")) removed"
            )
        }
        lines += leftOut(report)
        if report.foreignChanges > 0 {
            lines.append(
                "  found \(NumberText.count(report.foreignChanges, "entry")) of others where the mirror writes"
            )
        }
        if report.interruptions > 0 {
            lines.append("  went on after \(NumberText.count(report.interruptions, "interruption")) by the network")
        }
        return lines
    }

    private static func leftOut(_ report: MirrorReport) -> [String] {
        var parts: [String] = []
        if report.skipped > 0 { parts.append("\(NumberText.count(report.skipped)) that were there already") }
        if report.filtered > 0 { parts.append("\(NumberText.count(report.filtered)) not for the target") }
        if report.expired > 0 { parts.append("\(NumberText.count(report.expired)) whose time is over") }
        if report.superseded > 0 {
            parts.append("\(NumberText.count(report.superseded)) that newer ones would push out at once")
        }
        return parts.isEmpty ? [] : ["  left out \(parts.joined(separator: ", "))"]
    }

    /// What a comparison found.
    static func lines(_ report: ReconciliationReport) -> [String] {
        let source = "\(report.sourceCluster)/\(report.source)".escapedForTerminal
        let equal = "\(NumberText.count(report.equal, "key")) equal"
        var lines: [String] = []
        if report.differences == 0 {
            lines.append("\(report.target): compared with revision \(report.revision) of \(source): \(equal)")
        } else {
            let differences = NumberText.count(report.differences, "difference")
            lines.append(
                "\(report.target): compared with revision \(report.revision) of \(source): \(equal), "
                    + "\(differences), \(NumberText.count(report.repaired)) repaired"
            )
            let kinds = [
                (report.missing, "missing"), (report.different, "different"),
                (report.leftover, "not in the source any more"), (report.foreign, "written or deleted by others"),
            ]
            lines.append(
                "  " + kinds.filter { $0.0 > 0 }.map { "\(NumberText.count($0.0)) \($0.1)" }.joined(separator: ", ")
            )
        }
        if report.additional > 0 {
            lines.append("  \(NumberText.count(report.additional, "key")) of others that the source does not have")
        }
        if report.newer > 0 { lines.append("  \(NumberText.count(report.newer, "key")) written since it began") }
        if report.pending > 0 {
            lines.append("  \(NumberText.count(report.pending, "key")) that the running mirror is on its way to")
        }
        if report.expired > 0 { lines.append("  \(NumberText.count(report.expired, "key")) whose time is over") }
        // What differs comes first.
        let examples =
            report.examples.filter { $0.kind != .additional } + report.examples.filter { $0.kind == .additional }
        return lines + examples.map { example($0) }
    }

    private static func example(_ finding: ReconciliationFinding) -> String {
        var text = "  \(finding.kind.rawValue) \(finding.key.description.escapedForTerminal)"
        if let revision = finding.targetRevision { text += " at revision \(revision)" }
        if let revision = finding.sourceRevision { text += ", in the source at \(revision)" }
        if finding.isRepaired { text += ": repaired" }
        if let obstacle = finding.obstacle { text += ": not repaired, \(obstacle.escapedForTerminal)" }
        return text
    }
}
