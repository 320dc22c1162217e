import KVModel
import Replication

/// A plan for a bucket's settings as people read it.
enum SettingsPlanText {
    /// The settings, what is lost, and how long it may take; columns for the values before and after have these names.
    static func lines(_ plan: SettingsPlan, before: String, after: String) -> [String] {
        var lines: [String] = []
        if plan.settings.isEmpty {
            lines.append("No setting changes.")
        } else {
            lines += settings(plan, before: before, after: after).lines()
            for setting in plan.settings {
                guard let why = reason(setting.update) else { continue }
                lines.append("  \(SettingsText.name(setting.change.field)): \(why)".escapedForTerminal)
            }
        }
        lines.append("")
        if plan.losses.isEmpty {
            lines.append("No entry is lost.")
        } else {
            lines += losses(plan).lines()
        }
        return lines + ["", estimate(plan.estimate)]
    }

    private static func settings(_ plan: SettingsPlan, before: String, after: String) -> Table {
        var table = Table([.text("Setting"), .text(before), .text(after), .text("In a bucket that exists")])
        for setting in plan.settings {
            let change = setting.change
            table.add([
                SettingsText.name(change.field),
                SettingsText.value(change.field, change.old),
                SettingsText.value(change.field, change.new),
                update(setting.update),
            ])
        }
        return table
    }

    private static func losses(_ plan: SettingsPlan) -> Table {
        var table = Table([
            .text("Because of"), .number("Entries"), .text("What becomes of them"), .text("For example"),
        ])
        for loss in plan.losses {
            let shown = loss.part.examples.prefix(2).map { example($0, of: loss) }.joined(separator: ", ")
            table.add([
                SettingsText.name(loss.field), NumberText.count(loss.part.entries), effect(loss.effect),
                loss.part.examples.count > 2 ? shown + ", …" : shown,
            ])
        }
        return table
    }

    private static func example(_ example: StateSummary.Example, of loss: SettingLoss) -> String {
        switch loss.field {
        case "max_msgs_per_subject": "\(example.key) (\(NumberText.count(example.entries)))"
        case "max_age": "\(example.key) of \(example.time)"
        default: "\(example.key) at \(example.revision) (\(NumberText.bytes(example.bytes ?? 0)))"
        }
    }

    private static func update(_ update: SettingUpdate) -> String {
        switch update {
        case .inPlace: "changed in place"
        case .ineffective: "has no effect"
        case .recreation: "needs a new bucket"
        case .refused: "refused"
        }
    }

    private static func reason(_ update: SettingUpdate) -> String? {
        switch update {
        case .inPlace: nil
        case .ineffective(let reason), .recreation(let reason), .refused(let reason): reason
        }
    }

    private static func effect(_ effect: SettingLoss.Effect) -> String {
        switch effect {
        case .dropped: "dropped"
        case .expired: "expired, left out"
        case .refused: "refused: writing them would fail"
        case .kept: "kept, but no more are taken"
        case .immortal: "kept, their own TTL does not count"
        }
    }

    private static func estimate(_ estimate: PlanEstimate) -> String {
        var parts: [String] = []
        if estimate.writing > .zero { parts.append("about \(NumberText.duration(estimate.writing)) to write") }
        if let comparing = estimate.comparing { parts.append("\(NumberText.duration(comparing)) to compare") }
        if let pause = estimate.pause {
            parts.append(pause > .zero ? "writers wait about \(NumberText.duration(pause))" : "no writer waits")
        }
        return "Estimate: \(parts.joined(separator: ", ")) (a guess from counts and sizes)."
    }
}
