import Archive
import KVModel
import Replication

/// What is said of a restore, before and after.
enum RestoreText {
    /// What commands call their work.
    enum Wording: Sendable {
        case restore
        case copy
    }

    /// What there is to say of a plan.
    struct Plan {
        let prepared: Restore.Prepared
        let settings: SettingsPlan
        /// What a merge would do.
        var merge: MergeReport?
        var overwrites = false
        /// The archive that would be made of the bucket that is there.
        var safetyBackup: String?
        var verifies = true

        init(_ prepared: Restore.Prepared, _ settings: SettingsPlan) {
            self.prepared = prepared
            self.settings = settings
        }
    }

    /// The plan.
    static func lines(_ shown: Plan) -> [String] {
        let prepared = shown.prepared
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
        fields.add("Verification", shown.verifies ? "entry by entry" : "none (--no-verify)")
        if plan.action == .replace {
            fields.add("Safety backup", shown.safetyBackup ?? "none (--no-safety-backup)")
        }
        if shown.merge != nil {
            fields.add(
                "Merge",
                "the newest entry of each key; what is newer in the bucket is "
                    + (shown.overwrites ? "written over (--overwrite)" : "kept")
            )
        }
        let details =
            shown.merge.map { merged($0) + ["The bucket keeps its settings."] }
            ?? SettingsPlanText.lines(shown.settings, before: "Archived", after: "Restored")
        return fields.lines() + [""] + details + ["", "Nothing was done: this is a dry run."]
    }

    /// What a merge would do.
    private static func merged(_ merge: MergeReport) -> [String] {
        var table = Table([.number("Keys"), .text("What becomes of them")])
        table.add([NumberText.count(merge.written), "get the source's value"])
        table.add([NumberText.count(merge.deleted), "are deleted, as they are in the source"])
        table.add([NumberText.count(merge.equal), "are the same on both sides"])
        table.add([NumberText.count(merge.kept), "are newer in the bucket, and stay"])
        if merge.overwritten > 0 {
            table.add([NumberText.count(merge.overwritten), "of these all are newer in the bucket, and written over"])
        }
        if merge.expired > 0 { table.add([NumberText.count(merge.expired), "are left out, as their time is over"]) }
        return table.lines() + newer(merge) + [""]
    }

    /// The first keys that have something newer in the bucket.
    private static func newer(_ merge: MergeReport) -> [String] {
        var lines = merge.examples.map { example in
            "  newer there: \(example.key.description.escapedForTerminal)"
                + "\(example.isDeleted ? ", deleted" : "") at revision \(example.revision), \(example.time); "
                + "the source's: \(example.archivedTime)"
        }
        let rest = merge.kept + merge.overwritten - min(merge.kept + merge.overwritten, UInt64(merge.examples.count))
        if rest > 0 { lines.append("  and \(NumberText.count(rest)) more") }
        return lines
    }

    /// What a merge did.
    private static func lines(_ report: RestoreReport, merge: MergeReport, _ wording: Wording) -> [String] {
        let source = "\(report.incarnation.cluster.escapedForTerminal)/\(report.incarnation.bucket)"
        var lines = [
            "\(report.plan.bucket): merged with revision \(report.revision) of \(source), "
                + "\(NumberText.count(merge.keys, "key")), the newest entry of each"
        ]
        lines += part(report, wording)
        var work = "  wrote \(NumberText.count(merge.written)), deleted \(NumberText.count(merge.deleted)), "
        work += "left \(NumberText.count(merge.equal)) that are the same"
        if merge.expired > 0 { work += " and \(NumberText.count(merge.expired)) whose time was over" }
        lines.append(work + ", in \(NumberText.duration(report.duration))")
        if merge.overwritten > 0 {
            lines.append(
                "  wrote over \(NumberText.count(merge.overwritten)) that were newer in the bucket (--overwrite)"
            )
        }
        if merge.kept > 0 {
            lines.append("  kept \(NumberText.count(merge.kept)) that are newer in the bucket")
        }
        lines += newer(merge)
        if merge.contested > 0 {
            lines.append("  looked again at \(NumberText.count(merge.contested)) that others wrote at the same time")
        }
        return lines + ending(report, wording)
    }

    /// What is said before a bucket is deleted.
    static func safety(_ backup: SafetyBackup) -> String {
        "\(backup.bucket): backed up as it is, \(NumberText.count(backup.entries, "entry")) at revision "
            + "\(backup.revision), into \(backup.path.escapedForTerminal) (tag \(backup.tag))"
    }

    /// How a bucket that was replaced comes back.
    static func wayBack(_ backup: SafetyBackup) -> String {
        "the bucket as it was is in \(backup.path): `\(command(backup))` brings it back"
    }

    /// The command that brings a bucket back that was replaced.
    static func command(_ backup: SafetyBackup) -> String {
        let isPlain = backup.path.allSatisfy { $0.isLetter || $0.isNumber || "/._-+".contains($0) }
        let path =
            isPlain
            ? backup.path
            : "'"
                + backup.path.split(separator: "'", omittingEmptySubsequences: false)
                .joined(separator: "'\\''") + "'"
        return "cistern restore \(path) --replace"
    }

    /// What was done.
    static func lines(_ report: RestoreReport, _ wording: Wording = .restore) -> [String] {
        if let merge = report.merge { return lines(report, merge: merge, wording) }
        let plan = report.plan
        let done = wording == .copy ? "a copy of" : "restored to"
        var lines = [
            "\(plan.bucket): \(done) revision \(report.revision) of "
                + "\(report.incarnation.cluster.escapedForTerminal)/\(report.incarnation.bucket), "
                + NumberText.count(report.entries, "entry")
        ]
        lines += part(report, wording)
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
        return lines + ending(report, wording)
    }

    /// The keys that there were at all.
    private static func part(_ report: RestoreReport, _ wording: Wording) -> [String] {
        let filter = report.incarnation.filter
        guard !filter.isEmpty else { return [] }
        let keys = FilterText.text(filter)
        return [
            wording == .copy ? "  of the keys \(keys) only" : "  the archive holds only the keys \(keys), no others"
        ]
    }

    private static func ending(_ report: RestoreReport, _ wording: Wording) -> [String] {
        var lines: [String] = []
        if report.interruptions > 0 {
            lines.append("  went on after \(NumberText.count(report.interruptions, "interruption")) by the network")
        }
        if let comparison = report.comparison {
            let source = wording == .copy ? "source" : "archive"
            lines.append("  verified against the \(source): \(ComparisonText.summary(comparison))")
        } else {
            lines.append("  not verified (--no-verify)")
        }
        if let backup = report.safetyBackup {
            lines.append(
                "  the bucket as it was: \(NumberText.count(backup.entries, "entry")) at revision "
                    + "\(backup.revision) in \(backup.path.escapedForTerminal)"
            )
            lines.append("  it comes back with: \(command(backup).escapedForTerminal)")
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
        case .merge: "exists and holds entries, is merged into"
        case .restart: "an unfinished restore of the same, which is deleted and begins anew"
        }
    }
}
