import Archive
import ArgumentParser

/// `cistern unlock`: a lock file that nobody holds.
struct UnlockCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "unlock",
        abstract: "Say who writes an archive, or remove a lock file that was left behind.",
        discussion: """
            The lock is the kernel's and ends with the process that holds it: a backup that was killed needs no \
            unlocking. Only its lock file may stay behind. The lock of a running process is never broken (exit code 75).

            Example:
              cistern unlock orders.cistern
            """
    )

    @Argument(help: "The archive.", completion: .file(extensions: ["cistern"]))
    var file: String

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        let left = try ArchiveLock.clear(path: file)
        if console.isJSON {
            try console.document(UnlockDocument(archive: file, removed: left != nil, leftBy: left))
        } else if let left {
            try console.report("\(file): removed the lock file that was left behind by \(left)".escapedForTerminal)
        } else {
            try console.report("\(file): nobody writes it, and there is no lock file".escapedForTerminal)
        }
        return .done
    }
}

/// An unlocked archive in `--json` output.
struct UnlockDocument: Encodable, Sendable {
    var archive: String
    var removed: Bool
    var leftBy: String?
}
