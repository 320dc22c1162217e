import Archive
import ArgumentParser
import KVModel

/// `cistern compact`: fewer, larger segments, and no room that holds nothing.
struct CompactCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "compact",
        abstract: "Merge small segments of an archive, and give unused space back.",
        discussion: """
            A backup that follows a bucket commits small segments; merged they take less room and are read faster. \
            Nothing that can be asked of the archive changes, and readers are not disturbed. Stopped or killed, it \
            goes on when it is run again.

            Examples:
              cistern compact orders.cistern
              cistern compact orders.cistern --dry-run
            """
    )
    static let stopsAtCheckpoint = true

    @Argument(help: "The archive.", completion: .file(extensions: ["cistern"]))
    var file: String

    @Flag(help: "Show what would be merged, and change nothing.")
    var dryRun = false

    @OptionGroup(title: "Encryption")
    var keys: KeyOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        let report: CompactionReport
        if dryRun {
            report = try keys.reader(file, console).compactionPlan()
        } else {
            let writer = try keys.writer(file, console)
            let progress = console.progress
            report = try writer.audited("compact") { audit in
                let report = try writer.compact(shouldStop: { Task.isCancelled }) { state in
                    progress.update(CareText.progress(state))
                }
                audit.isStopped = Task.isCancelled
                audit.entries = report.buckets.reduce(0) { $0 + $1.droppedEntries }
                audit.bytes = report.buckets.reduce(0) { $0 + $1.droppedBytes }
                return report
            }
            progress.clear()
            try writer.close()
            try Task.checkCancellation()
        }
        if console.isJSON {
            try console.document(CompactionDocument(file, report, isDryRun: dryRun))
        } else {
            try console.report(CareText.lines(report, of: file, isDryRun: dryRun))
        }
        return .done
    }
}
