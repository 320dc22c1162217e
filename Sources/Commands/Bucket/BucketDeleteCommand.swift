import ArgumentParser
import JetStream
import KVModel
import KeyValue

/// `cistern kv del` and `rm`: a marker in place of a key's value, or, without a key, a bucket with all it holds.
struct BucketDeleteCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "del",
        abstract: "Delete a key, or a bucket with all it holds.",
        discussion: """
            Of a key a marker takes its place and its history stays; without a key the bucket itself goes. On a \
            terminal you are asked first. Without one a key is deleted, a bucket only with --force.

            Examples:
              cistern kv del orders customer.42.name
              cistern kv rm orders --dry-run
              cistern kv rm orders --force
            """,
        aliases: ["rm"]
    )

    @OptionGroup
    var arguments: BucketArguments

    @Argument(help: "The key; without one the bucket is deleted.")
    var key: String?

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var force = false

    @Flag(help: "Show what would be deleted, and delete nothing.")
    var dryRun = false

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func validate() throws {
        // An empty variable of a script must not turn a key into its bucket.
        if key?.isEmpty == true { throw ValidationError("The key is empty; leave it out to delete the bucket.") }
    }

    func perform(_ console: Console) async throws -> RunStatus {
        if let key { return try await delete(key, console) }
        return try await deleteBucket(console)
    }

    private func delete(_ key: String, _ console: Console) async throws -> RunStatus {
        guard dryRun else {
            return try await arguments.remove(
                key,
                "delete",
                question: force ? nil : "Delete key \(arguments.bucket) > \(key)?",
                console
            ) { try await $0.delete($1) }
        }
        return try await arguments.withKeyValue(console) { bucket in
            let value = try await bucket.get(Key(key))
            let held = value.map { "revision \($0.revision), \(NumberText.bytes($0.size))" } ?? "it has no value"
            try console.report("key \(key) of bucket \(bucket.name) would be deleted: \(held)".escapedForTerminal)
            if console.isJSON {
                try console.document(
                    RemovalDocument(
                        bucket: bucket.name.rawValue,
                        key: key,
                        isDryRun: true,
                        entries: value == nil ? 0 : 1
                    )
                )
            }
            return .done
        }
    }

    private func deleteBucket(_ console: Console) async throws -> RunStatus {
        let name = try arguments.name
        guard force || dryRun || console.canAsk else {
            throw CommandError(
                .usage,
                text: "bucket \(name) would be deleted, and there is no terminal to ask on",
                hint: "give --force"
            )
        }
        return try await arguments.withBuckets(console) { buckets in
            let bucket = try await buckets.find(name)
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

/// A removed bucket, or a key that would be, in `--json` output.
struct RemovalDocument: Encodable, Hashable, Sendable {
    var bucket: String
    var key: String?
    var isDryRun: Bool
    var entries: UInt64
}

extension BucketArguments {
    /// Removes a key, after a question on a terminal, and says at which revision.
    func remove(
        _ key: String,
        _ operation: String,
        question: String?,
        _ console: Console,
        _ body: (KeyValueBucket, Key) async throws -> Revision
    ) async throws -> RunStatus {
        try await withKeyValue(console) { bucket in
            if let question, console.canAsk, try !console.confirm(question) {
                throw CommandError(.declined, text: "key \(key) was not \(operation)d")
            }
            let revision = try await body(bucket, Key(key))
            if console.isJSON {
                try console.document(
                    WriteDocument(bucket: bucket.name.rawValue, key: key, operation: operation, revision: revision)
                )
            }
            return .done
        }
    }
}
