import ArgumentParser
import KeyValue

/// `cistern kv purge`: a key and its history.
struct BucketPurgeCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "purge",
        abstract: "Delete a key and its history; only a marker stays.",
        discussion: """
            On a terminal you are asked first; --force does without. With --ttl the marker goes as well after that time \
            (servers from 2.11 on, in a bucket that allows it: `cistern kv add --marker-ttl`).

            Examples:
              cistern kv purge orders customer.42.name --force
              cistern kv purge locks nightly --ttl 1h
            """
    )

    @OptionGroup
    var arguments: BucketArguments

    @Argument(help: "The key.")
    var key: String

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var force = false

    @Option(help: "How long the marker stays, for example 1h.", transform: DurationArgument.parse)
    var ttl: Duration?

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func validate() throws {
        if let ttl, ttl < .seconds(1) { throw ValidationError("A TTL is 1s or longer.") }
    }

    func perform(_ console: Console) async throws -> RunStatus {
        try await arguments.remove(
            key,
            "purge",
            question: force ? nil : "Purge key \(arguments.bucket) > \(key) and its history?",
            console
        ) { try await $0.purge($1, markerTimeToLive: ttl) }
    }
}
