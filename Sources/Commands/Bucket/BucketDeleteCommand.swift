import ArgumentParser
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
    var removal: KeyRemoval

    var output: OutputOptions { removal.output }

    func perform(_ console: Console) async throws -> RunStatus {
        try await removal.perform(
            console,
            question: { "Delete key \($0)?" },
            refusal: "deleted",
            operation: "delete",
            remove: { try await $0.delete($1) }
        )
    }
}
