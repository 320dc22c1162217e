import Archive
import ArgumentParser
import KVModel

/// `cistern history`: every archived revision of a key.
struct HistoryCommand: ReadingCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Show every archived revision of a key.",
        discussion: """
            The archive keeps more than the bucket did: revisions that the bucket's history limit, a purge or a TTL \
            has removed are shown as well, and so are those of the bucket's earlier lives, if it was deleted and \
            created again.

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

    @OptionGroup
    var reading: ReadingOptions

    func perform(_ console: Console) async throws -> RunStatus {
        let reader = try keys.reader(file, console)
        // Without a point everything archived counts: all lives of the bucket, and what lies behind the newest
        // consistent revision.
        let isWhole = point.point == .newest
        let lives = isWhole ? try incarnation.chooseAll(in: reader) : [try incarnation.choose(in: reader)]
        let histories = try lives.map { life in
            let last = isWhole ? Revision.max : try reader.resolve(point.point, in: life.id)
            return (life: life, entries: try reader.history(of: Key(key), in: life.id, through: last))
        }.filter { !$0.entries.isEmpty }
        guard !histories.isEmpty else {
            let bucket = lives.last.map { " of bucket \($0.bucket)" } ?? ""
            throw CommandError(
                .keyNotFound,
                text: "the archive holds no revision of key \(key)\(bucket)",
                hint: "`cistern keys \(file) --deleted` lists what it holds"
            )
        }
        for (life, entries) in histories {
            if console.isJSON {
                for entry in entries {
                    try console.document(EntryDocument(entry, bucket: life.bucket, bucketCreated: life.created))
                }
            } else {
                if lives.count > 1 { try console.data(["bucket \(life.bucket), created \(life.created)"]) }
                try console.data(EntryTable.make(entries))
            }
        }
        return .done
    }
}
