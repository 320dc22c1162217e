import ArgumentParser
import KVModel
import KeyValue

/// `cistern kv purge`: a key and its history.
struct BucketPurgeCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "purge",
        abstract: "Delete a key and its history; only a marker stays.",
        discussion: """
            On a terminal you are asked first; --force does without.

            Example:
              cistern kv purge orders customer.42.name --force
            """
    )

    @OptionGroup
    var arguments: BucketArguments

    @Argument(help: "The key.")
    var key: String

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var force = false

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        try await arguments.withBucket(console) { bucket in
            if !force, console.canAsk, try !console.confirm("Purge key \(bucket.name) > \(key) and its history?") {
                throw CommandError(.declined, text: "key \(key) was not purged")
            }
            let revision = try await bucket.purge(Key(key))
            if console.isJSON {
                try console.document(
                    WriteDocument(bucket: bucket.name.rawValue, key: key, operation: "purge", revision: revision)
                )
            }
            return .done
        }
    }
}
