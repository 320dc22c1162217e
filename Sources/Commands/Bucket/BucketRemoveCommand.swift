import ArgumentParser
import JetStream
import KVModel
import KeyValue

/// `cistern kv rm`: a bucket, with all it holds.
struct BucketRemoveCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "Delete a bucket with all it holds.",
        discussion: """
            On a terminal you are asked first; without one, --force must be given.

            Examples:
              cistern kv rm orders
              cistern kv rm orders --force
              cistern kv rm orders --dry-run
            """
    )

    @OptionGroup
    var arguments: BucketArguments

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var force = false

    @Flag(help: "Show what would be deleted, and delete nothing.")
    var dryRun = false

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        let name = try arguments.name
        guard force || dryRun || console.canAsk else {
            throw CommandError(
                .usage,
                text: "bucket \(name) would be deleted, and there is no terminal to ask on",
                hint: "give --force"
            )
        }
        return try await arguments.withBuckets(console) { buckets in
            let bucket = try await buckets.bucket(name)
            let held =
                "\(NumberText.count(bucket.info.state.messages, "entry")), "
                + NumberText.bytes(bucket.info.state.bytes)
            if dryRun {
                try console.report("\(name) would be deleted: \(held)")
            } else {
                guard try force || console.confirm("Delete bucket \(name) with all it holds (\(held))?") else {
                    throw CommandError(.declined, text: "bucket \(name) was not deleted")
                }
                try await buckets.delete(name)
                try console.report("\(name) deleted: \(held)")
            }
            if console.isJSON {
                try console.document(
                    RemovalDocument(bucket: name.rawValue, isDryRun: dryRun, entries: bucket.info.state.messages)
                )
            }
            return .done
        }
    }
}

/// A removed bucket in `--json` output.
struct RemovalDocument: Encodable, Hashable, Sendable {
    var bucket: String
    var isDryRun: Bool
    var entries: UInt64
}
