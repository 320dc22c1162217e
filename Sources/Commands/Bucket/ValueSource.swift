import ArgumentParser
import Foundation
import KVModel
import KeyValue

/// Where the value of a write comes from.
enum ValueSource: Hashable, Sendable {
    /// An argument.
    case text(String)
    /// A file.
    case file(String)
    /// Standard input; asked for with `-`, or taken because nothing else is named.
    case standardInput(isNamed: Bool)

    /// The source that an argument or an option names.
    init(_ value: String?, file: String?) {
        if let file {
            self = .file(file)
        } else if let value, value != "-" {
            self = .text(value)
        } else {
            self = .standardInput(isNamed: value != nil)
        }
    }

    /// The bytes.
    func read() throws -> [UInt8] {
        switch self {
        case .text(let text):
            return Array(text.utf8)
        case .file(let path):
            return try Self.read(path)
        case .standardInput(let isNamed):
            if !isNamed, isatty(STDIN_FILENO) == 1 {
                throw CommandError(
                    .usage,
                    text: "no value is given",
                    hint: "name it, or --file, or give - to type it and end with ^D"
                )
            }
            return try Self.read(FileHandle.standardInput, "standard input")
        }
    }

    private static func read(_ path: String) throws -> [UInt8] {
        guard let file = FileHandle(forReadingAtPath: path) else {
            let reason = String(cString: strerror(errno))
            throw CommandError(.inputFailed, text: "\(path) cannot be read: \(reason)", hint: "check --file")
        }
        var state = stat()
        if fstat(file.fileDescriptor, &state) == 0, state.st_mode & S_IFMT == S_IFDIR {
            throw CommandError(.inputFailed, text: "\(path) is a folder", hint: "check --file")
        }
        return try read(file, path)
    }

    private static func read(_ file: FileHandle, _ name: String) throws -> [UInt8] {
        do {
            return try file.readToEnd().map { Array($0) } ?? []
        } catch {
            throw CommandError(.inputFailed, text: "\(name) cannot be read: \(error)")
        }
    }
}

/// The value of a key that is written.
struct ValueArguments: ParsableArguments, Sendable {
    @Argument(help: "The value; missing or -, it is read from standard input, byte for byte.")
    var value: String?

    @Option(help: "Read the value from this file, byte for byte.", completion: .file())
    var file: String?

    /// Refuses two values.
    func validate() throws {
        if value != nil, file != nil { throw ValidationError("Give a value or --file, not both.") }
    }

    /// Where the value comes from.
    var source: ValueSource { ValueSource(value, file: file) }
}

extension BucketArguments {
    /// Reads the value, writes it, and says what was done as `nats kv` does: by the value itself, if it was an argument.
    func write(
        _ key: String,
        from source: ValueSource,
        _ operation: String,
        _ console: Console,
        _ body: (KeyValueBucket, Key, [UInt8]) async throws -> Revision
    ) async throws -> RunStatus {
        let value = try source.read()
        return try await withKeyValue(console) { bucket in
            let revision = try await body(bucket, Key(key), value)
            if console.isJSON {
                try console.document(
                    WriteDocument(bucket: bucket.name.rawValue, key: key, operation: operation, revision: revision)
                )
            } else if case .text(let text) = source {
                try console.report(text.escapedForTerminal)
            }
            return .done
        }
    }
}
