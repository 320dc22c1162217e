import ArgumentParser
import KVModel
import KeyValue

/// A key that is to go from a bucket, after a question on a terminal.
struct KeyRemoval: ParsableArguments, Sendable {
    @OptionGroup
    var arguments: BucketArguments

    @Argument(help: "The key.")
    var key: String

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var force = false

    @OptionGroup(title: "Output")
    var output: OutputOptions

    /// Asks, removes, and says at which revision.
    func perform(
        _ console: Console,
        question: (_ key: String) -> String,
        refusal: String,
        operation: String,
        remove: (Bucket, Key) async throws -> Revision
    ) async throws -> RunStatus {
        try await arguments.withBucket(console) { bucket in
            if !force, console.canAsk, try !console.confirm(question("\(bucket.name) > \(key)")) {
                throw CommandError(.declined, text: "key \(key) was not \(refusal)")
            }
            let revision = try await remove(bucket, Key(key))
            if console.isJSON {
                try console.document(
                    WriteDocument(bucket: bucket.name.rawValue, key: key, operation: operation, revision: revision)
                )
            }
            return .done
        }
    }
}
