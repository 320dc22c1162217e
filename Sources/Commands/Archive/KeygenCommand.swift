import Archive
import ArgumentParser
import Foundation

/// `cistern keygen`: a new key file.
struct KeygenCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "keygen",
        abstract: "Make a key file for encrypted archives.",
        discussion: """
            The file holds 256 random bits as one line of text; only its owner may read it. Keep a copy of it apart \
            from the archives: what is encrypted with it cannot be read without it, by nobody.

            Examples:
              cistern keygen /etc/cistern/archive.key
              cistern backup orders --archive o.cistern --key-file /etc/cistern/archive.key
            """
    )

    @Argument(help: "The key file to make.", completion: .file())
    var file: String

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        try Self.write(ArchiveKey.newKeyFile(), to: file)
        if console.isJSON {
            try console.document(KeyFileDocument(keyFile: file))
        } else {
            try console.report("\(file.escapedForTerminal): a new key; keep a copy of it in another place")
        }
        return .done
    }

    /// Writes a file that was not there before, which only its owner can read.
    private static func write(_ content: [UInt8], to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        guard Foundation.write(descriptor, content, content.count) == content.count, fsync(descriptor) == 0 else {
            let failure = failure(path)
            unlink(path)
            throw failure
        }
    }

    private static func failure(_ path: String) -> CommandError {
        guard errno != EEXIST else {
            return CommandError(.fileExists, text: "\(path) exists already", hint: "choose another name")
        }
        return CommandError(.outputFailed, text: "\(path) cannot be written: \(String(cString: strerror(errno)))")
    }
}

/// A new key file in `--json` output.
struct KeyFileDocument: Encodable, Sendable {
    var keyFile: String
}
