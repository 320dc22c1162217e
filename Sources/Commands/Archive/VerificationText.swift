import Archive
import KVModel
import Replication

/// What is said of a verification.
enum VerificationText {
    private static let shownProblems = 50

    /// What the check of an archive found.
    static func lines(_ report: VerificationReport, of file: String, _ console: Console) -> [String] {
        let checked = report.checked
        let scope =
            "\(NumberText.count(report.incarnations, "incarnation")), \(NumberText.count(checked.segments, "segment")), "
            + "\(NumberText.count(checked.entries, "entry")), \(NumberText.bytes(checked.bytes))"
        guard !report.isSound else {
            let verdict = "\(file.escapedForTerminal): \(console.styled("sound", .green)): \(scope)"
            guard report.unopenedSegments > 0 else { return [verdict] }
            return [
                verdict,
                "  without the key only the digests of "
                    + "\(NumberText.count(report.unopenedSegments, "encrypted segment"))"
                    + " were checked, not what they hold",
            ]
        }
        var lines = [
            "\(file.escapedForTerminal): \(console.styled("damaged", .red)): "
                + "\(NumberText.count(report.problems.count, "problem")); checked \(scope)"
        ]
        lines += report.problems.prefix(shownProblems).map { "  \($0.description.escapedForTerminal)" }
        if report.problems.count > shownProblems {
            lines.append("  and \(NumberText.count(report.problems.count - shownProblems)) more; --json lists them all")
        }
        return lines
    }

    /// The error that a damaged archive is; its first problem stands in it, also for those who asked for silence.
    static func failure(_ report: VerificationReport, of file: String) -> Failure {
        let first = report.problems.first?.description ?? "unknown"
        let more = report.problems.count > 1 ? " (and \(NumberText.count(report.problems.count - 1)) more)" : ""
        return Failure(
            message: "archive \(file) is damaged: \(first)\(more)",
            hint: "other segments can still be read; take the archive from another copy, or back up into a new one",
            status: .failed
        )
    }

    /// What the comparison with a bucket found.
    static func lines(_ report: ComparisonReport, against bucket: BucketReference) -> [String] {
        var lines: [String] = []
        if report.isUnfinishedRestore {
            lines.append(
                "\(bucket): the bucket is an unfinished restore: run the same `cistern restore` again to go on with it"
            )
        }
        let verdict = report.isEqual ? "equal to" : "different from"
        lines.append(
            "\(bucket): \(verdict) the archive at revision \(report.revision): "
                + "\(NumberText.count(report.equal, "entry")) equal, \(NumberText.count(report.differences)) different"
        )
        return lines + ComparisonText.details(report)
    }
}
