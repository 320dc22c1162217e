import ArgumentParser
import KVModel
import KeyValue

/// `cistern kv compact`: deleted keys, gone for good.
struct BucketCompactCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "compact",
        abstract: "Remove what a bucket still holds of deleted keys.",
        discussion: """
            Of every deleted key the history goes, and its marker too if that is older than --older-than. Keys that \
            have a value are not touched. A backup that was not made before does not see what is removed. On a \
            terminal you are asked first; without one, --force must be given.

            Examples:
              cistern kv compact orders
              cistern kv compact orders --older-than 7d --dry-run
              cistern kv compact orders --older-than 0 --force
            """
    )

    @OptionGroup
    var arguments: BucketArguments

    @Option(help: "Keep younger markers (default: 30m); 0 keeps none.", transform: DurationArgument.parse)
    var olderThan = Duration.seconds(1800)

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var force = false

    @Flag(help: "Show what would be removed, and remove nothing.")
    var dryRun = false

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        guard force || dryRun || console.canAsk else {
            throw CommandError(
                .usage,
                text: "the history of deleted keys of bucket \(arguments.bucket) would be removed, and there is no "
                    + "terminal to ask on",
                hint: "give --force, or look at --dry-run first"
            )
        }
        return try await arguments.withKeyValue(console) { bucket in
            if dryRun {
                let forecast = try await CompactionForecast(bucket.bucket, olderThan: olderThan)
                try report(forecast.keys, forecast.entries, of: bucket.name, console)
                return .done
            }
            if !force {
                let question = "Purge all historic values and audit trails for deleted keys in bucket \(bucket.name)?"
                guard try console.confirm(question) else {
                    throw CommandError(.declined, text: "bucket \(bucket.name) was not compacted")
                }
            }
            let purged = try await bucket.purgeDeletes(olderThan: olderThan)
            try report(purged.keys, purged.messages, of: bucket.name, console)
            return .done
        }
    }

    private func report(_ keys: Int, _ entries: UInt64, of bucket: BucketName, _ console: Console) throws {
        if console.isJSON {
            try console.document(
                BucketCompactionDocument(
                    bucket: bucket.rawValue,
                    isDryRun: dryRun,
                    olderThanSeconds: olderThan.milliseconds,
                    keys: keys,
                    entries: entries
                )
            )
        } else {
            let verb = dryRun ? "would be removed" : "removed"
            let removed = "\(NumberText.count(entries, "entry")) of \(NumberText.count(keys, "deleted key"))"
            try console.report("\(bucket): \(removed) \(verb)")
        }
    }
}

/// What `kv compact` removed, or would remove, in `--json` output.
struct BucketCompactionDocument: Encodable, Hashable, Sendable {
    var bucket: String
    var isDryRun: Bool
    var olderThanSeconds: Double
    /// How many deleted keys there were.
    var keys: Int
    /// How many entries of theirs were removed.
    var entries: UInt64
}
