import KVModel
import Replication

/// What a comparison with a live bucket found, in words.
enum ComparisonText {
    /// On one line.
    static func summary(_ report: ComparisonReport) -> String {
        guard !report.isEqual else { return "\(NumberText.count(report.equal, "entry")) equal" }
        let examples = report.examples.prefix(3).map { example in
            "\(example.kind.rawValue) \(example.key.description.escapedForTerminal) at revision \(example.revision)"
        }
        let more = report.differences > UInt64(examples.count) ? ", …" : ""
        return "\(NumberText.count(report.differences, "difference")): \(examples.joined(separator: ", "))\(more)"
    }

    /// What differs, and what is no difference, line by line.
    static func details(_ report: ComparisonReport) -> [String] {
        var lines = report.examples.map { example in
            let what = example.what.isEmpty ? "" : " (\(example.what.joined(separator: ", ")))"
            let key = example.key.description.escapedForTerminal
            return "  \(example.kind.rawValue) \(key) at revision \(example.revision)\(what)"
        }
        let rest = report.differences - min(report.differences, UInt64(report.examples.count))
        if rest > 0 { lines.append("  and \(NumberText.count(rest)) more") }
        if report.superseded > 0 {
            lines.append("  \(archived(report.superseded)) pushed out by newer ones since")
        }
        if report.expired > 0 { lines.append("  \(archived(report.expired)) expired since") }
        if report.newer > 0 {
            lines.append("  \(NumberText.count(report.newer, "entry")) of the bucket newer than the archive")
        }
        if !report.comparesRevisions {
            lines.append("  revisions and times were not compared: the bucket was restored by replay")
        }
        return lines
    }

    private static func archived(_ number: UInt64) -> String {
        NumberText.count(number, "archived entry", "archived entries")
    }
}
