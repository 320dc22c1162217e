import Archive
import ArgumentParser
import Foundation
import KVModel
import Schedule

/// `cistern prune`: history by a policy.
struct PruneCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Drop old history from an archive by a policy.",
        discussion: """
            Points are the revisions at which a backup was proved consistent. Those that the policy keeps can be \
            restored exactly as before; what only the others hold goes. Within --keep-within every revision stays, not \
            only points, and so does everything after the newest point. The span counts back from the newest point, \
            not from now.

            What goes is shown first. On a terminal you are asked; without one, --yes must be given.

            Examples:
              cistern prune o.cistern --keep-within 30d --keep-daily 9 --keep-tags --dry-run
              cistern prune all.cistern --bucket sessions --keep-last 10 --yes
              cistern prune orders.cistern --keep-daily 14 --keep-weekly 8 --keep-monthly 24
            """
    )
    static let stopsAtCheckpoint = true

    @Argument(help: "The archive.", completion: .file(extensions: ["cistern"]))
    var file: String

    @Option(help: "Only this bucket.")
    var bucket: BucketName?

    @Option(help: "Keep everything of this span, such as 30d, before the newest point.", transform: Self.span)
    var keepWithin: Int64?

    @Option(help: "Keep so many of the last points.")
    var keepLast: Int?

    @Option(help: "Keep the last point of so many hours that have one.")
    var keepHourly: Int?

    @Option(help: "Keep the last point of so many days.")
    var keepDaily: Int?

    @Option(help: "Keep the last point of so many weeks, which begin on Monday.")
    var keepWeekly: Int?

    @Option(help: "Keep the last point of so many months.")
    var keepMonthly: Int?

    @Flag(help: "Keep all points that have a tag; without it, tags of points that go, go too.")
    var keepTags = false

    @Option(name: .customLong("timezone"), help: "Where days begin, such as Europe/Berlin (default: UTC).")
    var timeZone: String?

    @Flag(help: "Show what would go, and drop nothing.")
    var dryRun = false

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var yes = false

    @OptionGroup(title: "Encryption")
    var keys: KeyOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    private var policy: RetentionPolicy {
        RetentionPolicy(
            within: keepWithin,
            last: keepLast ?? 0,
            hourly: keepHourly ?? 0,
            daily: keepDaily ?? 0,
            weekly: keepWeekly ?? 0,
            monthly: keepMonthly ?? 0,
            keepsTags: keepTags
        )
    }

    func validate() throws {
        let counts = [keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly].compactMap(\.self)
        guard counts.allSatisfy({ $0 > 0 }) else { throw ValidationError("--keep-… must be 1 or more.") }
        if let keepWithin, keepWithin <= 0 { throw ValidationError("--keep-within must be more than nothing.") }
        guard !policy.isEmpty else {
            throw ValidationError("Say what to keep, for example --keep-within 30d --keep-monthly 12.")
        }
        if let timeZone, TimeZone(identifier: timeZone) == nil {
            throw ValidationError("there is no time zone \"\(timeZone)\"; write it as Europe/Berlin.")
        }
    }

    func perform(_ console: Console) async throws -> RunStatus {
        let zone = timeZone.flatMap { TimeZone(identifier: $0) } ?? .gmt
        let reader = try keys.reader(file, console)
        if let bucket, try !reader.incarnations().contains(where: { $0.bucket == bucket }) {
            throw CommandError(
                .nothingMatches,
                text: "the archive holds no bucket \(bucket)",
                hint: "`cistern list \(file)` lists what it holds"
            )
        }
        let plan = try reader.prunePlan(policy, timeZone: zone, bucket: bucket)
        try show(plan, console)
        guard !dryRun else {
            if console.isJSON { try console.document(PruneDocument(file, plan, isDryRun: true)) }
            return .done
        }
        // A prune that was killed may have left room that is still to be given back, and nothing else to do.
        if !plan.isEmpty { try confirm(plan, console) }
        let key = reader.key
        try reader.close()
        let report = try prune(zone, key, console)
        try Task.checkCancellation()
        if console.isJSON {
            try console.document(PruneDocument(file, report, isDryRun: false))
        } else if let compaction = report.compaction {
            try console.report(CareText.size(compaction, of: file.escapedForTerminal))
        }
        return .done
    }

    private func show(_ plan: PruneReport, _ console: Console) throws {
        guard !console.isJSON, !console.options.isQuiet || dryRun else { return }
        guard !plan.buckets.isEmpty else {
            return console.note("\(file) holds no consistent point yet: there is nothing to prune")
        }
        guard !plan.isEmpty else { return console.note("the policy keeps all that \(file) holds") }
        try console.data(CareText.points(plan))
        try console.data([""])
        try console.data(CareText.table(plan))
        try console.flush()
    }

    private func confirm(_ plan: PruneReport, _ console: Console) throws {
        guard !yes else { return }
        guard console.canAsk else {
            throw CommandError(
                .usage,
                text: "history would be dropped, and there is no terminal to ask on",
                hint: "look at it with --dry-run, then give --yes"
            )
        }
        let points = plan.buckets.reduce(0) { $0 + $1.droppedPoints.count }
        let entries = plan.buckets.reduce(0) { $0 + $1.droppedEntries }
        let question =
            "Drop \(NumberText.count(points, "point")) and \(NumberText.count(entries, "entry")) from \(file)?"
        guard try console.confirm(question) else {
            throw CommandError(.declined, text: "nothing was dropped")
        }
    }

    private func prune(_ zone: TimeZone, _ key: ArchiveKey?, _ console: Console) throws -> PruneReport {
        let writer = try ArchiveWriter.open(path: file, key: key)
        let progress = console.progress
        let report = try writer.audited("prune") { audit in
            let report = try writer.prune(
                policy,
                timeZone: zone,
                bucket: bucket,
                shouldStop: { Task.isCancelled },
                progress: { progress.update(CareText.progress($0)) }
            )
            audit.isStopped = Task.isCancelled
            if report.buckets.count == 1 { audit.incarnation = report.buckets[0].incarnation.id }
            audit.entries = report.buckets.reduce(0) { $0 + $1.droppedEntries }
            audit.bytes = report.buckets.reduce(0) { $0 + $1.droppedBytes }
            return report
        }
        progress.clear()
        try writer.close()
        return report
    }

    private static func span(_ text: String) throws -> Int64 {
        try DurationText.nanoseconds(text)
    }
}
