import ArgumentParser
import KVModel

/// `cistern kv edit`: other settings for a bucket that exists.
struct BucketEditCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "edit",
        abstract: "Change settings of a bucket in place.",
        discussion: """
            Only what is given changes. --source adds to the sources; --tags and --cluster together replace where the \
            bucket is to be. What servers do not change in place (the storage, what a mirror mirrors) needs \
            `cistern migrate`, and is refused before anything is changed.

            Examples:
              cistern kv edit orders --history 10 --ttl 90d
              cistern kv edit orders --max-bucket-size -1 --no-compress
              cistern kv edit near --no-mirror

            Settings for --set: \(BucketConfiguration.settingNames.joined(separator: ", ")).
            """
    )

    @OptionGroup
    var arguments: BucketArguments

    @OptionGroup(title: "Settings")
    var change: BucketEditOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func validate() throws {
        guard !change.isEmpty else { throw ValidationError("No setting to change is given.") }
    }

    func perform(_ console: Console) async throws -> RunStatus {
        try await change.perform(arguments, console)
    }
}
