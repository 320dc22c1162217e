import ArgumentParser
import KeyValue

/// `cistern kv create`: a key's value, if it has none.
struct BucketCreateCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Give a key a value if it has none: if it is new, or was deleted.",
        discussion: """
            A key that has a value keeps it, and the exit code is 73. With --ttl the entry goes after that time; the \
            bucket must allow it (`cistern kv add --marker-ttl`, servers from 2.11 on).

            Examples:
              cistern kv create orders customer.42.name 'Ada Lovelace'
              cistern kv create locks nightly "$HOSTNAME" --ttl 5m
            """
    )

    @OptionGroup
    var arguments: BucketArguments

    @Argument(help: "The key.")
    var key: String

    @OptionGroup
    var content: ValueArguments

    @Option(help: "How long the entry stays, for example 5m.", transform: DurationArgument.parse)
    var ttl: Duration?

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func validate() throws {
        if let ttl, ttl < .seconds(1) { throw ValidationError("A TTL is 1s or longer.") }
    }

    func perform(_ console: Console) async throws -> RunStatus {
        try await arguments.write(key, from: content.source, "create", console) { bucket, key, value in
            try await bucket.create(key, value, timeToLive: ttl)
        }
    }
}
