import ArgumentParser
import KVModel
import KeyValue

/// `cistern kv get`: a key's value.
struct BucketGetCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Show a key's value.",
        discussion: """
            A key that does not exist, or was deleted, is an error (exit code 1).

            Examples:
              cistern kv get orders customer.42.name
              cistern kv get orders logo.png --raw > logo.png
              cistern kv get orders customer.42.name --revision 17
            """
    )

    @OptionGroup
    var arguments: BucketArguments

    @Argument(help: "The key.")
    var key: String

    @Flag(help: "Write the value only, byte for byte.")
    var raw = false

    @Option(help: "The value at this revision.")
    var revision: Revision?

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        let entry = try await arguments.withBucket(console) { bucket in
            let key = Key(key)
            if let revision { return try await bucket.get(key, at: revision) }
            return try await bucket.get(key)
        }
        let name = try arguments.name
        guard let entry, entry.operation == .put else {
            let at = revision.map { " at revision \($0)" } ?? ""
            throw CommandError(
                .keyNotFound,
                text: "bucket \(name) has no value of key \(key)\(at)",
                hint: "`cistern kv history \(arguments.bucket) \(key)` shows what the bucket still holds of it"
            )
        }
        if console.isJSON {
            try console.document(EntryDocument(entry, bucket: name))
        } else if raw {
            try console.data(bytes: entry.value)
        } else {
            let heading = "\(name) > \(entry.key) revision: \(entry.revision) created @ \(entry.time)"
            try console.data([console.styled(heading.escapedForTerminal, .bold), "", Self.shown(entry.value), ""])
        }
        return .done
    }

    /// A value for people: lines stay lines, anything else that steers a terminal is written out.
    static func shown(_ value: [UInt8]) -> String {
        guard let text = String(validating: value, as: UTF8.self) else { return ValueText.line(value) }
        return text.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.split(separator: "\t", omittingEmptySubsequences: false) }
            .map { cells in cells.map { String($0).escapedForTerminal }.joined(separator: "\t") }
            .joined(separator: "\n")
    }
}
