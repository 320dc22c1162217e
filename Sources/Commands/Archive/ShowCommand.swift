import Archive
import ArgumentParser
import Foundation
import KVModel

/// `cistern show`: all that an archive says of itself.
struct ShowCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show what an archive holds: buckets, points, configurations, tags.",
        discussion: """
            Points are the revisions at which the archive was proved to hold the bucket exactly. All revisions can be \
            restored, unless a prune dropped history: then, before the revision it says, only the points shown.

            Examples:
              cistern show orders.cistern
              cistern show orders.cistern --points
              cistern show all.cistern --bucket sessions --segments
              cistern show orders.cistern --runs
            """
    )

    @Argument(help: "The archive.", completion: .file(extensions: ["cistern"]))
    var file: String

    @Option(help: "Only this bucket.")
    var bucket: BucketName?

    @Flag(help: "Show all points, not only the newest.")
    var points = false

    @Flag(help: "Show the segments.")
    var segments = false

    @Flag(help: "Show the runs: what was done with the archive, when, and what came of it.")
    var runs = false

    @OptionGroup(title: "Output")
    var output: OutputOptions

    /// How many points are shown if not all are asked for.
    private static let shownPoints = 20

    func perform(_ console: Console) async throws -> RunStatus {
        let reader = try ArchiveReader.open(path: file)
        let summary = try reader.summary()
        let shown = summary.buckets.filter { bucket == nil || $0.incarnation.bucket == bucket }
        if let bucket, shown.isEmpty {
            throw CommandError(
                .nothingMatches,
                text: "the archive holds no bucket \(bucket)",
                hint: "`cistern list \(file)` lists what it holds"
            )
        }
        if console.isJSON {
            try console.document(try document(summary, shown, reader))
        } else {
            try console.data(try lines(summary, shown, reader, console))
        }
        return .done
    }

    private func document(
        _ summary: ArchiveSummary,
        _ shown: [ArchiveSummary.Bucket],
        _ reader: ArchiveReader
    ) throws -> ArchiveDocument {
        var document = ArchiveDocument(summary)
        document.buckets = try shown.map { bucket in
            var entry = ArchiveDocument.Bucket(bucket)
            entry.configurations = try bucket.configurations.map(ArchiveDocument.Configuration.init)
            entry.points = try reader.points(of: bucket.incarnation.id).map(ArchiveDocument.Point.init)
            if segments {
                entry.segmentList = try reader.segments(of: bucket.incarnation.id).map(ArchiveDocument.Segment.init)
            }
            return entry
        }
        if runs {
            let incarnations = summary.buckets.map(\.incarnation)
            document.runs = summary.runs.map { ArchiveDocument.Run($0, of: incarnations) }
        }
        return document
    }

    private func lines(
        _ summary: ArchiveSummary,
        _ shown: [ArchiveSummary.Bucket],
        _ reader: ArchiveReader,
        _ console: Console
    ) throws -> [String] {
        var fields = FieldList()
        fields.add("Archive", summary.path)
        fields.add("Format", String(summary.format))
        if let encryption = summary.encryption {
            let rest = encryption.isComplete ? "" : ", not all of it yet: run cistern rekey again"
            fields.add("Encrypted", "opens with a \(encryption.kind)\(rest)")
        }
        fields.add("File size", NumberText.bytes(summary.fileSize))
        fields.add("Buckets", String(summary.buckets.count))
        fields.add("Runs", String(summary.runs.count))
        var lines = fields.lines()
        for bucket in shown {
            let name = "\(bucket.incarnation.cluster)/\(bucket.incarnation.bucket)".escapedForTerminal
            lines += ["", console.styled(name, .bold)]
            lines += try Self.fields(bucket).lines(indent: 2)
            lines += pointLines(try reader.points(of: bucket.incarnation.id), of: bucket)
            if segments { lines += try segmentLines(reader, bucket, console) }
        }
        if runs { lines += ["", console.styled("Runs", .bold)] + runLines(summary) }
        return lines
    }

    private static func fields(_ bucket: ArchiveSummary.Bucket) throws -> FieldList {
        var fields = FieldList()
        fields.add("Created", bucket.incarnation.created)
        if !bucket.incarnation.filter.isEmpty {
            fields.add("Keys", "only \(FilterText.text(bucket.incarnation.filter))")
        }
        if let first = bucket.firstRevision, let last = bucket.lastRevision {
            fields.add("Revisions", "\(first) to \(last)")
        }
        if let first = bucket.firstTime, let last = bucket.lastTime { fields.add("Times", "\(first) to \(last)") }
        fields.add("Entries", NumberText.count(bucket.entries))
        let sizes = "\(NumberText.bytes(bucket.rawBytes)), stored in \(NumberText.bytes(bucket.storedBytes))"
        fields.add("Size", "\(sizes), \(NumberText.count(bucket.segments, "segment"))")
        if let checkpoint = bucket.checkpoint {
            let time = checkpoint.consistentTime.map { ", proved \($0)" } ?? ""
            fields.add(
                "Complete to",
                checkpoint.consistentRevision.map { "revision \($0)\(time)" } ?? "no revision yet"
            )
            fields.add("Resumes after", "revision \(checkpoint.resumeRevision), written \(checkpoint.updated)")
        }
        if bucket.checkpoint?.consistentRevision != nil {
            let from = bucket.exactFrom
            fields.add(
                "Restorable",
                from == 0 ? "every revision" : "every revision from \(from) on, before it only points"
            )
        }
        for tag in bucket.tags {
            let note = tag.note.isEmpty ? "" : ": \(tag.note)"
            fields.add("Tag \(tag.name)", "revision \(tag.revision)\(note)")
        }
        if let newest = bucket.configurations.last {
            let stream = try JSONDecoder().decode(JSONValue.self, from: Data(newest.json.utf8))
            fields.add("Configuration", SettingsText.summary(BucketConfiguration(stream: stream)))
            if bucket.configurations.count > 1 {
                fields.add("", "changed \(NumberText.count(bucket.configurations.count - 1, "time")) while archived")
            }
        }
        return fields
    }

    private func pointLines(_ all: [PointSummary], of bucket: ArchiveSummary.Bucket) -> [String] {
        guard !all.isEmpty else { return [] }
        let shown = points ? all[...] : all.suffix(Self.shownPoints)
        var table = Table([.number("Point"), .text("Proved"), .number("Held"), .text("Tags")])
        for summary in shown {
            let revision = summary.point.revision
            table.add([
                String(revision),
                summary.point.time.description,
                summary.heldEntries.map { NumberText.count($0, "entry") } ?? "",
                bucket.tags.filter { $0.revision == revision }.map(\.name).joined(separator: ", "),
            ])
        }
        var lines = [""] + table.lines().map { "  " + $0 }
        let older = all.count - shown.count
        if older > 0 { lines.append("  and \(NumberText.count(older)) older: --points shows all") }
        return lines
    }

    private func segmentLines(
        _ reader: ArchiveReader,
        _ bucket: ArchiveSummary.Bucket,
        _ console: Console
    ) throws -> [String] {
        var table = Table([
            .number("Segment"), .number("From"), .number("To"), .number("Entries"), .number("Size"),
            .number("Stored"), .text("Last entry"), .text("Digest"),
        ])
        for segment in try reader.segments(of: bucket.incarnation.id) {
            table.add([
                String(segment.ordinal),
                String(segment.revisions.lowerBound),
                String(segment.revisions.upperBound),
                NumberText.count(segment.entries),
                NumberText.bytes(segment.rawBytes),
                NumberText.bytes(segment.storedBytes),
                segment.lastTime.description,
                String(segment.digest.prefix(16)),
            ])
        }
        return [""] + table.lines().map { "  " + $0 }
    }

    private func runLines(_ summary: ArchiveSummary) -> [String] {
        var table = Table([
            .number("Run"), .text("Kind"), .text("Bucket"), .text("Started"), .number("From"), .number("To"),
            .number("Entries"), .number("Size"), .text("Outcome"),
        ])
        let incarnations = summary.buckets.map(\.incarnation)
        for run in summary.runs {
            let document = ArchiveDocument.Run(run, of: incarnations)
            table.add([
                String(document.id),
                run.kind,
                document.bucket ?? "",
                document.started,
                run.fromRevision.map { String($0) } ?? "",
                run.toRevision.map { String($0) } ?? "",
                NumberText.count(run.entries),
                NumberText.bytes(run.bytes),
                run.outcome.rawValue + (run.error.map { ": \($0)" } ?? ""),
            ])
        }
        return table.lines().map { "  " + $0 }
    }
}
