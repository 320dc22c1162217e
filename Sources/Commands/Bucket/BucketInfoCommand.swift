import ArgumentParser
import KVModel
import KeyValue

/// `cistern kv info`: what a bucket is like.
struct BucketInfoCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "info",
        abstract: "Show a bucket's settings and what it holds.",
        discussion: """
            Example:
              cistern kv info orders
            """,
        aliases: ["status"]
    )

    @OptionGroup
    var arguments: BucketArguments

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        try await arguments.withBucket(console) { bucket in
            if console.isJSON {
                try console.document(BucketDocument(bucket))
            } else {
                try console.data(BucketText.lines(bucket, console))
            }
            return .done
        }
    }
}
