import ArgumentParser
import KVModel
import KeyValue

/// `cistern kv get`: a key's value.
struct BucketGetCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Show a key's value.",
        discussion: """
            A key that does not exist, or was deleted, is an error (exit code 1). On a terminal the first 120 bytes of \
            a value are shown, bytes that are no text as hexadecimal digits; --raw writes all of it as it is.

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
        let entry = try await arguments.withKeyValue(console) { try await $0.get(Key(key), at: revision) }
        guard let entry else {
            let at = revision.map { " at revision \($0)" } ?? ""
            throw CommandError(
                .keyNotFound,
                text: "bucket \(try arguments.name) has no value of key \(key)\(at)",
                hint: "`cistern kv history \(arguments.bucket) \(key)` shows what the bucket still holds of it"
            )
        }
        if console.isJSON {
            try console.document(EntryDocument(entry.stored, bucket: entry.bucket))
        } else if raw {
            try console.data(bytes: entry.value)
        } else {
            let heading = "\(entry.bucket) > \(entry.key) revision: \(entry.revision) created @ \(entry.created)"
            try console.data([console.styled(heading.escapedForTerminal, .bold), ""])
            if console.isTerminal, entry.value.count > Self.shownOnTerminal {
                let size = NumberText.count(entry.value.count)
                try console.data([
                    "Showing the first \(Self.shownOnTerminal) bytes of \(size); --raw writes all of it.", "",
                ])
            }
            try console.data([Self.shown(entry.value, limit: console.isTerminal ? Self.shownOnTerminal : nil), ""])
        }
        return .done
    }

    /// So many bytes of a value are shown on a terminal.
    static let shownOnTerminal = 120

    /// A value for people: lines stay lines, anything else that steers a terminal is written out.
    ///
    /// Of a value longer than `limit` bytes its beginning, up to the last whole character.
    static func shown(_ value: [UInt8], limit: Int? = nil) -> String {
        guard String(validating: value, as: UTF8.self) != nil else { return ValueText.line(value) }
        var end = min(limit ?? value.count, value.count)
        while end < value.count, end > 0, value[end] & 0xc0 == 0x80 { end -= 1 }
        return String(decoding: value[..<end], as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.split(separator: "\t", omittingEmptySubsequences: false) }
            .map { cells in cells.map { String($0).escapedForTerminal }.joined(separator: "\t") }
            .joined(separator: "\n")
    }
}

extension KeyValueEntry {
    /// The entry without what only a reader's view of it has.
    var stored: Entry {
        Entry(revision: revision, time: created, operation: operation, key: key, headers: headers, value: value)
    }
}
