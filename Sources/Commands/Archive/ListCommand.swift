import Archive
import ArgumentParser
import KVModel

/// `cistern list`: the buckets of an archive.
struct ListCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the buckets that an archive holds.",
        discussion: """
            A bucket that was deleted and created again has a line for each of its lives, told apart by their \
            creation times.

            Examples:
              cistern list all.cistern
              cistern list all.cistern --json
            """
    )

    @Argument(help: "The archive.", completion: .file(extensions: ["cistern"]))
    var file: String

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        let summary = try ArchiveReader.open(path: file).summary()
        if console.isJSON {
            try console.document(ArchiveDocument(summary))
        } else if summary.buckets.isEmpty {
            console.note("\(file) holds no bucket yet")
        } else {
            try console.data(Self.table(summary))
        }
        return .done
    }

    private static func table(_ summary: ArchiveSummary) -> Table {
        var table = Table([
            .text("Cluster"), .text("Bucket"), .text("Created"), .number("Complete to"), .number("Entries"),
            .number("Size"), .number("Stored"), .text("Last entry"), .text("Keys"), .text("Tags"),
        ])
        for bucket in summary.buckets {
            table.add([
                bucket.incarnation.cluster,
                bucket.incarnation.bucket.rawValue,
                bucket.incarnation.created,
                bucket.checkpoint?.consistentRevision.map { String($0) } ?? "-",
                NumberText.count(bucket.entries),
                NumberText.bytes(bucket.rawBytes),
                NumberText.bytes(bucket.storedBytes),
                bucket.lastTime?.description ?? "-",
                bucket.incarnation.filter.isEmpty ? "all" : FilterText.text(bucket.incarnation.filter),
                bucket.tags.map(\.name).joined(separator: ", "),
            ])
        }
        return table
    }
}
