import Archive
import ArgumentParser
import KVModel

/// `cistern history`: every archived revision of a key.
struct HistoryCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Show every archived revision of a key.",
        discussion: """
            The archive keeps more than the bucket did: revisions that the bucket's history limit, a purge or a TTL \
            has removed are shown as well.

            Examples:
              cistern history orders.cistern customer.42.address
              cistern history orders.cistern customer.42.address --at-revision 1700
              cistern history orders.cistern customer.42.address --json | jq -r .value
            """
    )

    @Argument(help: "The archive.", completion: .file(extensions: ["cistern"]))
    var file: String

    @Argument(help: "The key.")
    var key: String

    @OptionGroup(title: "Bucket")
    var incarnation: IncarnationOptions

    @OptionGroup(title: "Point")
    var point: PointOptions

    @OptionGroup(title: "Encryption")
    var keys: KeyOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        let reader = try keys.reader(file, console)
        let chosen = try incarnation.choose(in: reader)
        // Without a point everything archived counts, also what lies behind the newest consistent revision.
        let last = point.point == .newest ? Revision.max : try reader.resolve(point.point, in: chosen.id)
        let entries = try reader.history(of: Key(key), in: chosen.id, through: last)
        guard !entries.isEmpty else {
            throw CommandError(
                .keyNotFound,
                text: "the archive holds no revision of key \(key) of bucket \(chosen.bucket)",
                hint: "`cistern keys \(file) --deleted` lists what it holds"
            )
        }
        if console.isJSON {
            for entry in entries { try console.document(EntryDocument(entry, bucket: chosen.bucket)) }
        } else {
            try console.data(EntryTable.make(entries))
        }
        return .done
    }
}
