import Archive
import Synchronization

/// The archive that a command writes: opened once, by whoever needs it first.
final class ArchiveSlot: Sendable {
    private struct State {
        var writer: ArchiveWriter?
        /// The archive's key, once it is known; nil inside if there is none.
        var key: ArchiveKey??
    }

    private let path: String
    private let keys: KeyOptions
    private let encrypts: Bool
    private let console: Console
    private let state = Mutex(State())

    /// The archive at a path; nothing is opened yet.
    ///
    /// A new one is encrypted if a key is given; with `encrypts` there must be one, and an archive that exists must be
    /// encrypted.
    init(path: String, keys: KeyOptions, encrypts: Bool, console: Console) {
        self.path = path
        self.keys = keys
        self.encrypts = encrypts
        self.console = console
    }

    /// Opens the archive if its file exists; for a new one, finds its key.
    func openIfPresent() throws {
        guard ArchiveReader.isPresent(path: path) else {
            return try state.withLock { $0.key = try newKey() }
        }
        _ = try writer()
    }

    /// The archive's one writer; the archive is made if it does not exist.
    func writer() throws -> ArchiveWriter {
        try state.withLock { state in
            if let writer = state.writer { return writer }
            let key = try state.key ?? (ArchiveReader.isPresent(path: path) ? presentKey() : newKey())
            let writer = try ArchiveWriter.open(path: path, createIfMissing: true, key: key)
            state.writer = writer
            return writer
        }
    }

    private func newKey() throws -> ArchiveKey? {
        try encrypts ? keys.newKey(path, console) : keys.given(console)
    }

    private func presentKey() throws -> ArchiveKey? {
        guard try !encrypts || ArchiveReader.open(path: path).encryption() != nil else {
            throw CommandError(
                .usage,
                text: "archive \(path) is there already, and not encrypted",
                hint: "encrypt it with `cistern rekey --encrypt`, or leave --encrypt out"
            )
        }
        return try keys.key(of: path, console)
    }

    /// Closes the archive, if it was opened.
    func close() throws {
        try state.withLock { state in
            try state.writer?.close()
            state.writer = nil
        }
    }
}
