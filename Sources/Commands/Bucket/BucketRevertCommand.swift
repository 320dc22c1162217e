import ArgumentParser
import KVModel
import KeyValue

/// `cistern kv revert`: an old value of a key, written anew.
struct BucketRevertCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "revert",
        abstract: "Give a key the value that it had at a revision.",
        discussion: """
            The value becomes a new entry, unless somebody else writes the key meanwhile; what is newer stays in the \
            history. The bucket must still hold that revision. On a terminal the value is shown and you are asked \
            first; --force does without.

            Examples:
              cistern kv history orders customer.42.name
              cistern kv revert orders customer.42.name 17
            """
    )

    @OptionGroup
    var arguments: BucketArguments

    @Argument(help: "The key.")
    var key: String

    @Argument(help: "The revision whose value the key is to have.")
    var revision: Revision

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var force = false

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        try await arguments.withKeyValue(console) { bucket in
            guard let old = try await bucket.get(Key(key), at: revision) else { throw notHeld(bucket.bucket) }
            if !force, console.canAsk {
                console.say("Revision: \(revision)")
                console.say(ValueText.line(old.value, limit: 40))
                guard try console.confirm("Revert key \(arguments.bucket) > \(key) to revision \(revision)?") else {
                    throw CommandError(.declined, text: "key \(key) was not reverted")
                }
            }
            let written = try await bucket.revert(Key(key), to: revision)
            if console.isJSON {
                try console.document(
                    WriteDocument(bucket: bucket.name.rawValue, key: key, operation: "revert", revision: written)
                )
            } else {
                try console.report(BucketHistoryCommand.lines(try await bucket.history(of: Key(key)), console))
            }
            return .done
        }
    }

    private func notHeld(_ bucket: Bucket) -> CommandError {
        let keepsOne = bucket.configuration.history == 1
        return CommandError(
            .keyNotFound,
            text: "bucket \(bucket.name) has no value of key \(key) at revision \(revision)",
            hint: keepsOne
                ? "it keeps one entry of each key; `cistern kv edit \(arguments.bucket) --history 5` keeps more from now on"
                : "`cistern kv history \(arguments.bucket) \(key)` shows what the bucket still holds of it"
        )
    }
}
