import Archive
import KVModel
import Replication

/// What is said of a migration.
enum MigrationText {
    /// The plan.
    static func lines(_ plan: MigrationPlan) -> [String] {
        var fields = FieldList()
        fields.add("Bucket", "\(plan.incarnation.cluster)/\(plan.bucket), created \(plan.incarnation.created)")
        fields.add("Way", "\(way(plan.settings.method)): \(plan.settings.reason)")
        fields.add(
            "Entries",
            "\(NumberText.count(plan.settings.entries)), \(NumberText.bytes(Int(clamping: plan.settings.bytes)))"
        )
        if plan.settings.method != .update {
            fields.add(
                "Consumers",
                plan.consumers == 0
                    ? "none" : "\(NumberText.count(plan.consumers)), watchers among them: they end with the old bucket"
            )
        }
        if plan.admitsWriters {
            fields.add(
                "Writers",
                "keep them away: servers before 2.10 let them into the new bucket before it is whole, which stops this"
            )
        }
        if !plan.dependents.isEmpty {
            fields.add("Read by", "\(plan.dependents.joined(separator: ", ")) (mirrors or sources)")
        }
        return fields.lines() + [""] + SettingsPlanText.lines(plan.settings, before: "Now", after: "Then")
    }

    /// What was done.
    static func lines(_ report: MigrationReport) -> [String] {
        switch report.outcome {
        case .changedInPlace: return ["\(report.bucket): changed in place"]
        case .migrated, .rolledBack:
            var lines = [
                "\(report.bucket): "
                    + (report.outcome == .migrated ? "migrated" : "is as it was before the migration")
            ]
            if let pause = report.pause { lines.append("  took no writes for \(NumberText.duration(pause))") }
            if let tag = report.tag, let revision = report.finalRevision {
                lines.append("  the archive holds the old bucket at revision \(revision), tagged \(tag)")
            }
            if let strays = report.strays {
                lines.append(
                    "  others wrote into the bucket before it was whole: the archive holds that as its life of "
                        + strays.created
                )
            }
            if let restore = report.restore { lines += RestoreText.lines(restore).map { "  " + $0 } }
            return lines
        }
    }

    /// A line for the terminal while it runs.
    static func progress(_ seen: MigrationProgress, of bucket: BucketName) -> ProgressText {
        let activity =
            switch seen.activity {
            case .backup: "backing up"
            case .step(let step): step.rawValue
            case .capture: "reading"
            case .writing: "writing"
            case .verifying: "verifying"
            }
        return ProgressText(activity: "\(bucket): \(activity)", entries: seen.entries, total: seen.total)
    }

    private static func way(_ method: SettingsPlan.Method) -> String {
        switch method {
        case .update: "in place"
        case .exact: "recreation, with revisions and times"
        case .replay: "recreation, with new revisions"
        }
    }
}
