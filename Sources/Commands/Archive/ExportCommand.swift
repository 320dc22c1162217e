import Archive
import ArgumentParser
import KVModel
import Replication

/// `cistern export`: an archive as text.
struct ExportCommand: ReadingCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write what an archive holds as JSON Lines or CSV.",
        discussion: """
            Without a point and a filter, everything archived is written: `cistern import` makes an archive of it that \
            equals this one, entry for entry. Values and keys that are no text are written in Base64.

            Examples:
              cistern export orders.cistern -o orders.jsonl
              cistern export orders.cistern | zstd > orders.jsonl.zst
              cistern export o.cistern --filter 'customer.>' | jq -r '.key // empty'
              cistern export all.cistern --all -o all.jsonl
              cistern export o.cistern --at-tag t --history bucket --format csv -o o.csv
              cistern export orders.cistern --format nats-backup -o folder

            The last one writes a folder that `nats stream restore` takes, on every server version.
            """
    )

    @Argument(help: "The archive.", completion: .file(extensions: ["cistern"]))
    var file: String

    /// What can be written.
    enum Format: String, CaseIterable, ExpressibleByArgument, Sendable {
        case jsonl
        case csv
        case natsBackup = "nats-backup"
    }

    @Option(
        help: "What to write: jsonl (can be imported again), csv (for spreadsheets), nats-backup (a folder)."
    )
    var format = Format.jsonl

    @Option(name: .shortAndLong, help: "The file or folder to write, which must not exist (default: standard output).")
    var out: String?

    @Flag(name: .customLong("all"), help: "Every life of every bucket.")
    var all = false

    @Option(help: "Write only these keys (NATS wildcards); may be repeated.", transform: PatternArgument.parse)
    var filter: [KeyPattern] = []

    @Option(help: "Which entries of a key: full (all archived), bucket (what the bucket held), latest.")
    var history = HistoryMode.full

    @OptionGroup
    var reading: ReadingOptions

    func validate() throws {
        if all, point.point != .newest {
            throw ValidationError("A point is one bucket's: give --all or --at-…, not both.")
        }
        if format == .natsBackup {
            guard out != nil else { throw ValidationError("--format nats-backup needs a folder: give it with -o.") }
            guard !all, history != .latest else {
                throw ValidationError("A backup folder holds what one bucket held: leave --all and --history out.")
            }
        }
        if all, incarnation.isGiven { throw ValidationError("Give --all or a bucket, not both.") }
    }

    func perform(_ console: Console) async throws -> RunStatus {
        let reader = try keys.reader(file, console)
        let chosen = all ? try reader.incarnations() : [try incarnation.choose(in: reader)]
        var options = ArchiveExport.Options()
        options.format = format == .csv ? .csv : .jsonl
        // Without a point all that is archived counts, also what lies behind the newest consistent revision; but what
        // the bucket held is known at a consistent revision only.
        options.point = point.point == .newest && history == .full ? nil : point.point
        options.filter = filter
        options.history = history
        let export = ArchiveExport(reader, options: options)
        let progress = console.progress
        let show: (ArchiveExport.Report) -> Void = { report in
            progress.update(ProgressText(activity: "exporting", entries: report.entries, bytes: report.bytes))
        }
        if format == .natsBackup, let out, let first = chosen.first {
            return try exportFolder(out, of: first, from: reader, console)
        }
        guard let out else {
            _ = try export.run(chosen, progress: show) { try console.data(bytes: $0) }
            return .done
        }
        let target = try NewFile(path: out)
        let report = try export.run(chosen, progress: show) { try target.write($0) }
        try target.finish()
        progress.clear()
        if console.isJSON {
            try console.document(ExportDocument(report, archive: file, path: out))
        } else {
            let size = NumberText.bytes(report.bytes)
            try console.report(
                "\(out.escapedForTerminal): \(NumberText.count(report.incarnations, "incarnation")), "
                    + "\(NumberText.count(report.entries, "entry")), \(size)"
            )
        }
        return .done
    }
}

extension ExportCommand {
    /// Writes a folder as `nats stream backup` makes it.
    private func exportFolder(
        _ folder: String,
        of chosen: Incarnation,
        from reader: ArchiveReader,
        _ console: Console
    ) throws -> RunStatus {
        var options = SnapshotExport.Options()
        options.filter = filter
        let revision = try reader.resolve(point.point, in: chosen.id)
        let progress = console.progress
        let report = try SnapshotExport(from: reader, chosen, at: revision, to: folder, options: options) { state in
            progress.update(
                ProgressText(activity: "exporting", entries: state.entries, total: state.total, bytes: state.bytes)
            )
        }.run()
        progress.clear()
        if console.isJSON {
            var document = ExportDocument(ArchiveExport.Report(), archive: file, path: folder)
            (document.incarnations, document.entries, document.bytes) = (1, report.entries, report.bytes)
            document.revision = report.revision
            document.oldestServer = report.oldestServer
            document.leftOut = report.leftOut
            try console.document(document)
        } else {
            let size = NumberText.bytes(report.bytes)
            var lines = [
                "\(folder.escapedForTerminal): bucket \(report.bucket) at revision \(report.revision), "
                    + "\(NumberText.count(report.entries, "entry")), \(size); servers from \(report.oldestServer) on take it"
            ]
            if !report.leftOut.isEmpty {
                lines.append("  settings left out: \(report.leftOut.joined(separator: ", "))")
            }
            try console.report(lines)
        }
        return .done
    }
}

/// An export in `--json` output.
struct ExportDocument: Encodable, Sendable {
    var archive: String
    var path: String
    var incarnations: Int
    var entries: UInt64
    var bytes: UInt64
    var revision: Revision?
    var oldestServer: String?
    var leftOut: [String]?

    init(_ report: ArchiveExport.Report, archive: String, path: String) {
        self.archive = archive
        self.path = path
        incarnations = report.incarnations
        entries = report.entries
        bytes = report.bytes
    }
}
