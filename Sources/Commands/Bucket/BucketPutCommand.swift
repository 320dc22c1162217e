import ArgumentParser
import Foundation
import KVModel
import KeyValue

/// `cistern kv put`: a key's value.
struct BucketPutCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "put",
        abstract: "Give a key a value.",
        discussion: """
            Examples:
              cistern kv put orders customer.42.name 'Ada Lovelace'
              cistern kv put orders logo.png < logo.png
              date | cistern kv put orders last-run -
            """
    )

    @OptionGroup
    var arguments: BucketArguments

    @Argument(help: "The key.")
    var key: String

    @Argument(help: "The value; missing or -, it is read from standard input, byte for byte.")
    var value: String?

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        let bytes = try content()
        return try await arguments.withBucket(console) { bucket in
            let revision = try await bucket.put(Key(key), bytes)
            if console.isJSON {
                try console.document(
                    WriteDocument(bucket: bucket.name.rawValue, key: key, operation: "put", revision: revision)
                )
            } else if let value, value != "-" {
                // As `nats kv put` does.
                try console.report(value.escapedForTerminal)
            }
            return .done
        }
    }

    private func content() throws -> [UInt8] {
        if let value, value != "-" { return Array(value.utf8) }
        if value == nil, isatty(STDIN_FILENO) == 1 {
            throw CommandError(.usage, text: "no value is given", hint: "name it, or give - to type it and end with ^D")
        }
        do {
            return try FileHandle.standardInput.readToEnd().map { Array($0) } ?? []
        } catch {
            throw CommandError(.inputFailed, text: "standard input cannot be read: \(error)")
        }
    }
}
