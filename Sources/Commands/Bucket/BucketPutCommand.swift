import ArgumentParser
import KeyValue

/// `cistern kv put`: a key's value.
struct BucketPutCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "put",
        abstract: "Give a key a value.",
        discussion: """
            Examples:
              cistern kv put orders customer.42.name 'Ada Lovelace'
              cistern kv put orders logo.png --file logo.png
              date | cistern kv put orders last-run -
            """
    )

    @OptionGroup
    var arguments: BucketArguments

    @Argument(help: "The key.")
    var key: String

    @OptionGroup
    var content: ValueArguments

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        try await arguments.write(key, from: content.source, "put", console) { bucket, key, value in
            try await bucket.put(key, value)
        }
    }
}
