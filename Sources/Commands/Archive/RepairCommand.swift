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
            and points; what is lost is listed (exit code 1). The new archive remembers the lost revisions: states that \
            may need them are refused, `history` and `export --history full` show what is there. With --accept-loss it \
            does not remember them, and reads as if they had never been.

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
        let ranges = report.buckets.reduce(0) { $0 + $1.lost.count }
        console.fail(
            Failure(
                message: "archive \(file) could not be saved whole: "
                    + (ranges == 0 ? "its end is not known" : "\(NumberText.count(ranges, "range")) of revisions lost"),
                hint: "back the buckets up into a new archive while they are there",
                status: .failed
            )
        )
        return .failed
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
            if let last = bucket.unknownAfter {
                lines.append("  its checkpoint is lost: what came after revision \(last) is not known")
            }
            lines += bucket.refusedPoints.map { "  not provable any more: revision \($0.revision) of \($0.time)" }
            if let newest = bucket.provedPoints.last {
                lines.append("  whole and provable up to revision \(newest.revision) of \(newest.time)")
            }
            return lines
        }
    }
}

/// A repair in `--json` output.
struct RepairDocument: Encodable, Sendable {
    /// Revisions from one to another.
    struct Range: Encodable, Sendable {
        var first: Revision
        var last: Revision
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
                unknownAfter: bucket.unknownAfter,
                provedPoints: bucket.provedPoints.map(\.revision),
                refusedPoints: bucket.refusedPoints.map(\.revision)
            )
        }
    }
}
