import ArgumentParser
import KVModel
import KeyValue

/// `cistern kv history`: what the bucket holds of a key.
struct BucketHistoryCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Show every entry of a key that the bucket holds.",
        discussion: """
            Example:
              cistern kv history orders customer.42.name

            `cistern history FILE KEY` shows an archive's, which goes back further.
            """
    )

    @OptionGroup
    var arguments: BucketArguments

    @Argument(help: "The key.")
    var key: String

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        let entries = try await arguments.withKeyValue(console) { try await $0.history(of: Key(key)) }
        guard !entries.isEmpty else {
            throw CommandError(
                .keyNotFound,
                text: "bucket \(try arguments.name) holds no entry of key \(key)",
                hint: "`cistern kv ls \(arguments.bucket)` lists its keys"
            )
        }
        if console.isJSON {
            for entry in entries {
                var document = EntryDocument(entry.stored, bucket: entry.bucket)
                document.delta = entry.delta
                try console.document(document)
            }
        } else {
            try console.data(Self.lines(entries, console))
        }
        return .done
    }

    /// The history as a table, on a terminal under a title.
    static func lines(_ entries: [KeyValueEntry], _ console: Console) -> [String] {
        var lines: [String] = []
        if console.isTerminal, let first = entries.first {
            lines = [console.styled("History for \(first.bucket) > \(first.key)".escapedForTerminal, .bold), ""]
        }
        return lines + console.lines(EntryTable.make(entries.map(\.stored), showsKeys: true))
    }
}
