import Archive
import KVModel
import Replication

/// What is said of a restore, before and after.
enum RestoreText {
    /// The plan.
    static func lines(_ prepared: Restore.Prepared, _ settings: SettingsPlan, verifies: Bool) -> [String] {
        let (plan, state, source) = (prepared.plan, prepared.state, prepared.incarnation)
        var fields = FieldList()
        fields.add("Source", "\(source.cluster)/\(source.bucket), created \(source.created)")
        fields.add("Point", "revision \(prepared.revision)")
        if !source.filter.isEmpty {
            fields.add("Archived", "only the keys \(FilterText.text(source.filter)), no others")
        }
        fields.add("Target", "bucket \(plan.bucket): \(action(plan.action))")
        if !plan.mapping.isIdentity { fields.add("Keys", "renamed by \(plan.mapping)") }
        fields.add("Mode", "\(prepared.mode.rawValue): \(prepared.modeReason)")
        fields.add(
            "Entries",
            "\(NumberText.count(state.entries)) of \(NumberText.count(state.keys, "key")), "
                + NumberText.bytes(state.bytes)
        )
        if !plan.leftOut.isEmpty { fields.add("Left out", plan.leftOut.joined(separator: ", ")) }
        fields.add("Verification", verifies ? "entry by entry" : "none (--no-verify)")
        return fields.lines() + [""] + SettingsPlanText.lines(settings, before: "Archived", after: "Restored") + [
            "", "Nothing was done: this is a dry run.",
        ]
    }

    /// What was done.
    static func lines(_ report: RestoreReport) -> [String] {
        let plan = report.plan
        var lines = [
            "\(plan.bucket): restored to revision \(report.revision) of "
                + "\(report.incarnation.cluster.escapedForTerminal)/\(report.incarnation.bucket), "
                + NumberText.count(report.entries, "entry")
        ]
        if !report.incarnation.filter.isEmpty {
            lines.append("  the archive holds only the keys \(FilterText.text(report.incarnation.filter)), no others")
        }
        var work = "  wrote \(NumberText.count(report.written, "entry")) "
        work += report.mode == .exact ? "exactly, with their revisions and times," : "by \(report.mode.rawValue)"
        work += " in \(NumberText.duration(report.duration))"
        if report.resumed > 0 {
            work += ", \(NumberText.count(report.resumed)) were there from an earlier run"
        }
        lines.append(work)
        if !plan.mapping.isIdentity { lines.append("  keys renamed by \(plan.mapping)".escapedForTerminal) }
        lines.append("  \(report.mode.rawValue) because \(report.modeReason.escapedForTerminal)")
        if report.expired > 0 {
            lines.append("  left out \(NumberText.count(report.expired, "entry")) whose time was over")
        }
        if report.beyondHistory > 0 {
            lines.append("  left out \(NumberText.count(report.beyondHistory, "entry")) beyond the history setting")
        }
        for change in shown(plan.changes) {
            lines.append("  \(Self.line(change).escapedForTerminal)")
        }
        if !plan.leftOut.isEmpty {
            lines.append("  settings left out: \(plan.leftOut.joined(separator: ", ").escapedForTerminal)")
        }
        if report.interruptions > 0 {
            lines.append("  went on after \(NumberText.count(report.interruptions, "interruption")) by the network")
        }
        if let comparison = report.comparison {
            lines.append("  verified against the archive: \(ComparisonText.summary(comparison))")
        } else {
            lines.append("  not verified (--no-verify)")
        }
        return lines
    }

    /// What follows from the bucket's new name is no change of a setting.
    static func shown(_ changes: [SettingChange]) -> [SettingChange] {
        changes.filter { $0.field != "name" && $0.field != "subjects" }
    }

    private static func line(_ change: SettingChange) -> String {
        let old = SettingsText.value(change.field, change.old)
        return "\(SettingsText.name(change.field)): \(old) -> \(SettingsText.value(change.field, change.new))"
    }

    private static func action(_ action: RestorePlan.Action) -> String {
        switch action {
        case .create: "is created"
        case .replace: "is deleted and created again"
        case .fill: "exists and is empty, is filled"
        case .resume: "an unfinished restore of the same, which goes on"
        case .restart: "an unfinished restore of the same, which is deleted and begins anew"
        }
    }
}
