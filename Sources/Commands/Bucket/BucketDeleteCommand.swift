import ArgumentParser
import KVModel
import KeyValue

/// `cistern kv del`: a marker in place of a key's value.
struct BucketDeleteCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "del",
        abstract: "Delete a key: a marker takes its place, its history stays.",
        discussion: """
            On a terminal you are asked first; --force does without. Buckets are removed with `cistern kv rm`.

            Example:
              cistern kv del orders customer.42.name
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
            if !force, console.canAsk, try !console.confirm("Delete key \(bucket.name) > \(key)?") {
                throw CommandError(.declined, text: "key \(key) was not deleted")
            }
            let revision = try await bucket.delete(Key(key))
            if console.isJSON {
                try console.document(
                    WriteDocument(bucket: bucket.name.rawValue, key: key, operation: "delete", revision: revision)
                )
            }
            return .done
        }
    }
}
