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
        let name = try arguments.name
        let entries = try await arguments.withBucket(console) { try await $0.history(Key(key)) }
        guard !entries.isEmpty else {
            throw CommandError(
                .keyNotFound,
                text: "bucket \(name) holds no entry of key \(key)",
                hint: "`cistern kv ls \(arguments.bucket)` lists its keys"
            )
        }
        if console.isJSON {
            for entry in entries { try console.document(EntryDocument(entry, bucket: name)) }
        } else {
            try console.data(EntryTable.make(entries))
        }
        return .done
    }
}
