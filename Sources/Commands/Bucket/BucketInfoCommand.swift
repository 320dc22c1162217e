import ArgumentParser
import KVModel
import KeyValue

/// `cistern kv info`: what a bucket is like.
struct BucketInfoCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "info",
        abstract: "Show a bucket's settings, what it holds, and the servers that hold it.",
        discussion: """
            Without a bucket you may choose one, on a terminal.

            Examples:
              cistern kv info
              cistern kv info orders
            """,
        aliases: ["view", "status"]
    )

    @Argument(
        help: "The bucket: NAME, or CLUSTER/NAME with a `nats` context as the cluster.",
        transform: BucketReference.parseSingle
    )
    var bucket: BucketReference?

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        guard bucket != nil || console.canAsk else {
            throw CommandError(
                .usage,
                text: "no bucket is named, and there is no terminal to ask on",
                hint: "`cistern kv ls` lists the buckets of this account"
            )
        }
        return try await connection.withBuckets(of: bucket?.cluster, console) { buckets in
            let name: BucketName
            if let named = bucket?.name {
                name = named
            } else {
                let names = try await buckets.names().reduce(into: []) { $0.append($1) }
                name = try BucketChoice.ask(among: names.sorted(), console)
            }
            let bucket = try await buckets.find(name)
            if console.isJSON {
                try console.document(BucketDocument(bucket))
            } else {
                try console.data(BucketText.lines(bucket, console))
            }
            return .done
        }
    }
}
