import Archive
import ArgumentParser
import KVModel

/// `cistern repair`: what is intact of a damaged archive.
struct RepairCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair",
        abstract: "Save all that is intact of a damaged archive into a new one.",
        discussion: """
            The damaged file is only read. Every segment that is what was written is saved, with configurations, tags \
            and points; what is lost is listed (exit code 1). The new archive remembers which revisions are lost, and \
            that configurations, removals or points are: states that may need them are refused, `history` and \
            `export --history full --format csv` show what is there. With --accept-loss it does not remember them, and \
            reads as if they had never been.

            Examples:
              cistern repair orders.cistern --to saved.cistern
              cistern repair orders.cistern --to saved.cistern --accept-loss
            """
    )

    @Argument(help: "The damaged archive.", completion: .file(extensions: ["cistern"]))
    var file: String

    @Option(name: .customLong("to"), help: "The archive to make; it must not exist.", completion: .file())
    var target: String

    @Flag(help: "Let the new archive read as if the lost revisions had never been.")
    var acceptLoss = false

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        let progress = console.progress
        let report = try ArchiveRepair.run(path: file, to: target, acceptsLoss: acceptLoss) { page, count in
            guard page % 256 == 0 else { return }
            progress.update(
                ProgressText(
                    activity: "reading pages",
                    entries: UInt64(clamping: page),
                    total: UInt64(clamping: count)
                )
            )
        }
        progress.clear()
        if console.isJSON {
            try console.document(RepairDocument(file, target, report))
        } else {
            try console.report(Self.lines(report))
        }
        try console.flush()
        guard !report.isWhole else { return .done }
        console.fail(
            Failure(
                message: "archive \(file) could not be saved whole: \(Self.summary(report))",
                hint: "back the buckets up into a new archive while they are there",
                status: .failed
            )
        )
        return .failed
    }

    private static func summary(_ report: RepairReport) -> String {
        let ranges = report.buckets.reduce(0) { $0 + $1.lost.count }
        let records = report.buckets.flatMap(\.lostRecords).reduce(0) { $0 + $1.count }
        var parts: [String] = []
        if ranges > 0 { parts.append("\(NumberText.count(ranges, "range")) of revisions lost") }
        if records > 0 { parts.append("\(NumberText.count(records, "record")) lost") }
        return parts.isEmpty ? "its end is not known" : parts.joined(separator: ", ")
    }

    private static func lines(_ report: RepairReport) -> [String] {
        report.buckets.flatMap { bucket in
            let incarnation = bucket.incarnation
            let name = "\(incarnation.cluster)/\(incarnation.bucket) created \(incarnation.created)".escapedForTerminal
            var lines = [
                "\(name): saved \(NumberText.count(bucket.segments, "segment")), "
                    + "\(NumberText.count(bucket.entries, "entry"))"
            ]
            if bucket.isNameLost { lines.append("  its names are lost: these were made up") }
            lines += bucket.lost.map { "  lost: revisions \($0.lowerBound) to \($0.upperBound)" }
            lines += bucket.lostRecords.map(Self.line)
            if let last = bucket.unknownAfter {
                lines.append(
                    "  its checkpoint is lost: what came after revision \(last), and whether configurations, removals, "
                        + "points and tags are missing, is not known"
                )
            }
            lines += bucket.refusedPoints.map { "  not provable any more: revision \($0.revision) of \($0.time)" }
            if let newest = bucket.provedPoints.last {
                lines.append("  whole and provable up to revision \(newest.revision) of \(newest.time)")
            }
            return lines
        }
    }
}

extension RepairCommand {
    /// What was lost of one kind, and what that means.
    fileprivate static func line(_ lost: RepairReport.LostRecords) -> String {
        let meaning =
            switch lost.kind {
            case .configuration: "which limits were in force is not certain: no state is"
            case .removal: "a state may hold what was gone; what a prune wrote down is right"
            case .point: "of a revision without a point it is not certain as of when it was proved"
            case .lost: "which revisions an earlier repair missed is not known: no state is certain"
            case .tag: "nothing else depends on them"
            case .migration: "a migration that was under way cannot be resumed from here"
            }
        let count = NumberText.count(lost.count, "record")
        return "  lost: \(count) of the \(lost.kind.plural): \(meaning)"
    }
}

/// A repair in `--json` output.
struct RepairDocument: Encodable, Sendable {
    /// Revisions from one to another.
    struct Range: Encodable, Sendable {
        var first: Revision
        var last: Revision
    }

    /// Records of one kind that are lost.
    struct Records: Encodable, Sendable {
        var kind: String
        var count: Int
    }

    /// Of one bucket.
    struct Bucket: Encodable, Sendable {
        var cluster: String
        var bucket: String
        var created: String
        var isNameLost: Bool
        var segments: Int
        var entries: Int
        var lost: [Range]
        var lostRecords: [Records]
        var unknownAfter: Revision?
        var provedPoints: [Revision]
        var refusedPoints: [Revision]
    }

    var archive: String
    var savedTo: String
    var isWhole: Bool
    var buckets: [Bucket]

    init(_ file: String, _ target: String, _ report: RepairReport) {
        archive = file
        savedTo = target
        isWhole = report.isWhole
        buckets = report.buckets.map { bucket in
            Bucket(
                cluster: bucket.incarnation.cluster,
                bucket: bucket.incarnation.bucket.rawValue,
                created: bucket.incarnation.created,
                isNameLost: bucket.isNameLost,
                segments: bucket.segments,
                entries: bucket.entries,
                lost: bucket.lost.map { Range(first: $0.lowerBound, last: $0.upperBound) },
                lostRecords: bucket.lostRecords.map { Records(kind: $0.kind.rawValue, count: $0.count) },
                unknownAfter: bucket.unknownAfter,
                provedPoints: bucket.provedPoints.map(\.revision),
                refusedPoints: bucket.refusedPoints.map(\.revision)
            )
        }
    }
}
