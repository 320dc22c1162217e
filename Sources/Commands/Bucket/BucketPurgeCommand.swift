import ArgumentParser
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
    var removal: KeyRemoval

    var output: OutputOptions { removal.output }

    func perform(_ console: Console) async throws -> RunStatus {
        try await removal.perform(
            console,
            question: { "Purge key \($0) and its history?" },
            refusal: "purged",
            operation: "purge",
            remove: { try await $0.purge($1) }
        )
    }
}
