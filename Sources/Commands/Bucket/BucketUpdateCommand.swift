import ArgumentParser
import KVModel
import KeyValue

/// `cistern kv update`: a key's value if its revision is the expected one, or, without a key, a bucket's settings.
struct BucketUpdateCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "update",
        abstract: "Give a key a value if nobody has changed it since; without a key, change a bucket's settings.",
        discussion: """
            The value is written only if the key's newest revision is the one given; 0 stands for a key that was never \
            written. Without a key this is `cistern kv edit`.

            Examples:
              cistern kv update orders customer.42.name 'Ada Lovelace' 17
              cistern kv update orders logo.png 18 --file logo.png
              cistern kv update orders --history 10
            """,
        aliases: ["update-key"]
    )

    @OptionGroup
    var arguments: BucketArguments

    @Argument(help: "The key.")
    var key: String?

    @Argument(help: "The value; - reads it from standard input; left out with --file.")
    var value: String?

    @Argument(help: "The revision that the key's newest entry must have.")
    var revision: String?

    @Option(help: "Read the value from this file, byte for byte.", completion: .file())
    var file: String?

    @OptionGroup(title: "Settings, without a key")
    var change: BucketEditOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    /// A write of one key that depends on its revision.
    struct KeyUpdate: Hashable, Sendable {
        var key: String
        var source: ValueSource
        var expected: Revision
    }

    /// The write that the arguments say; nil if they name no key.
    var keyUpdate: KeyUpdate? {
        get throws {
            guard let key else { return nil }
            let text = file == nil ? revision : value
            guard let text, let expected = Revision(text), file == nil || revision == nil else {
                throw ValidationError(
                    file == nil
                        ? "Write KEY VALUE REVISION, the revision as `cistern kv get` shows it."
                        : "With --file write KEY REVISION, the revision as `cistern kv get` shows it."
                )
            }
            return KeyUpdate(key: key, source: ValueSource(file == nil ? value : nil, file: file), expected: expected)
        }
    }

    func validate() throws {
        if try keyUpdate != nil {
            guard change.isEmpty else { throw ValidationError("Settings are a bucket's: leave out the key.") }
        } else {
            guard file == nil else { throw ValidationError("--file goes with a key.") }
            guard !change.isEmpty else { throw ValidationError("Neither a key nor a setting to change is given.") }
        }
    }

    func perform(_ console: Console) async throws -> RunStatus {
        guard let update = try keyUpdate else { return try await change.perform(arguments, console) }
        return try await arguments.write(update.key, from: update.source, "update", console) { bucket, key, value in
            try await bucket.update(key, value, expecting: update.expected)
        }
    }
}
