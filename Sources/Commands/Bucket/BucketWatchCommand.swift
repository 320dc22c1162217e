import ArgumentParser
import JetStream
import KVModel
import KeyValue

/// `cistern kv watch`: entries as they come.
struct BucketWatchCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Show the keys of a bucket, and then every change until stopped.",
        discussion: """
            Examples:
              cistern kv watch orders
              cistern kv watch orders 'customer.42.>' --updates-only --no-deletes
              cistern kv watch orders --revision 1700
              cistern kv watch orders --json | jq -r .key
            """
    )

    @OptionGroup
    var arguments: BucketArguments

    @Argument(help: "Keys to watch (NATS wildcards).", transform: PatternArgument.parse)
    var patterns: [KeyPattern] = []

    @Flag(
        name: [.customLong("include-history"), .customLong("history")],
        help: "Begin with every entry that the bucket holds, not with the newest of each key."
    )
    var includeHistory = false

    @Flag(inversion: .prefixedNo, help: "Show deletes as well.")
    var deletes = true

    @Flag(
        name: [.customLong("updates-only"), .customLong("updates")],
        help: "Show only what is written from now on."
    )
    var updatesOnly = false

    @Option(help: "Begin with the entry at this revision, or the first after it.")
    var revision: Revision?

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func validate() throws {
        guard [includeHistory, updatesOnly, revision != nil].count(where: \.self) < 2 else {
            throw ValidationError("Give one of --include-history, --updates-only and --revision, not several.")
        }
    }

    func perform(_ console: Console) async throws -> RunStatus {
        try await arguments.withBucket(console) { bucket in
            var options = KeyWatchOptions(start: start, ignoresDeletes: !deletes)
            options.patience = nil
            let reader = KeyValueBucket(bucket).watch(patterns, options: options).reader()
            while true {
                for case .entry(let entry) in try await reader.next() {
                    try Self.show(entry.stored, of: bucket, console)
                }
                try console.flush()
            }
        }
    }

    /// Where the watch begins.
    var start: KeyWatchOptions.Start {
        if let revision { return .revision(revision) }
        return includeHistory ? .history : updatesOnly ? .updates : .newest
    }

    private static func show(_ entry: Entry, of bucket: Bucket, _ console: Console) throws {
        if console.isJSON { return try console.document(EntryDocument(entry, bucket: bucket.name)) }
        let operation = console.styled(entry.operation.description, entry.operation == .put ? .green : .red)
        var line = "[\(entry.time)] \(operation) \(bucket.name.rawValue.escapedForTerminal) > "
        line += entry.key.description.escapedForTerminal
        if entry.operation == .put { line += ": " + ValueText.line(entry.value) }
        try console.data([line])
    }
}
