import Archive
import KVModel
import Replication

/// What the backup of one bucket did and what the archive proves after it.
struct BackupResult: Sendable {
    /// What the capture did.
    var report: CaptureReport
    /// How many keys have a value at the consistent revision, and how many entries there are.
    var held: (keys: Int, entries: Int)?
    /// The digest of what the archive holds there, if it was reckoned.
    var digest: String?
    /// What the comparison with the bucket found, if it was asked for.
    var comparison: ComparisonReport?
    /// The tag that was set.
    var tag: String?

    init(report: CaptureReport) {
        self.report = report
    }

    /// What the program ends with because of this bucket.
    var status: RunStatus {
        switch report.outcome {
        case .complete: comparison?.isEqual == false ? .different : .done
        // The signal decides the exit status, whatever the buckets say.
        case .stopped: .done
        case .noConsistentRevision: .busy
        }
    }

    /// What has to be said as an error, if anything.
    var failure: Failure? {
        switch status {
        case .busy:
            let proved = report.consistentRevision.map { "it is complete up to revision \($0)" }
            return Failure(
                message: "bucket \(report.bucket): no consistent revision was found: it was written to all the time",
                hint: "the archive keeps what was read, up to revision \(report.resumeRevision); "
                    + "\(proved ?? "it is complete up to no revision yet"); run again when there are fewer writes, or "
                    + "allow more time with --settle-within",
                status: .busy
            )
        case .different:
            return Failure(
                message: "bucket \(report.bucket): the archive differs from the bucket: "
                    + (comparison?.summary ?? ""),
                hint: "`cistern verify` shows whether the archive is sound; then run the backup again",
                status: .different
            )
        default:
            return nil
        }
    }
}

/// What is said of a backup.
enum BackupText {
    /// The lines about one bucket.
    static func lines(_ result: BackupResult) -> [String] {
        let report = result.report
        let entries = NumberText.count(report.entries, "entry")
        var work = "  read \(entries) (\(NumberText.bytes(report.bytes))) "
        work += report.fromRevision == 0 ? "from the beginning" : "after revision \(report.fromRevision)"
        work += " in \(NumberText.duration(report.duration)), wrote \(NumberText.count(report.segments, "segment"))"
        var lines = [headline(result), work]
        if !report.filter.isEmpty { lines.append("  of the keys \(FilterText.text(report.filter)) only") }
        if report.interruptions > 0 {
            lines.append("  went on after \(NumberText.count(report.interruptions, "interruption")) by the network")
        }
        if report.removals > 0 {
            lines.append("  found \(NumberText.count(report.removals, "entry")) gone from the bucket without a marker")
        }
        if report.isUnexplained {
            lines.append(
                "  warning: the bucket counts \(NumberText.count(report.sourceMessages, "entry")), not as many as the "
                    + "archive; `cistern verify --against` shows which differ"
            )
        }
        if let tag = result.tag { lines.append("  tagged \(tag.escapedForTerminal)") }
        if let comparison = result.comparison {
            lines.append("  verified against the bucket: \(ComparisonText.summary(comparison))")
        }
        return lines
    }

    private static func headline(_ result: BackupResult) -> String {
        let report = result.report
        switch report.outcome {
        case .complete:
            var text = "\(report.bucket): complete to revision \(report.consistentRevision ?? report.resumeRevision)"
            if let held = result.held {
                text += ", \(NumberText.count(held.keys, "key")), \(NumberText.count(held.entries, "entry"))"
            }
            if let digest = result.digest { text += ", digest \(digest)" }
            return text
        case .stopped:
            let proved = report.consistentRevision.map { ", complete to revision \($0)" } ?? ""
            return "\(report.bucket): stopped at revision \(report.resumeRevision)\(proved)"
        case .noConsistentRevision:
            let proved = report.consistentRevision.map { "complete to revision \($0)" } ?? "not complete yet"
            return "\(report.bucket): read to revision \(report.resumeRevision), \(proved)"
        }
    }
}
