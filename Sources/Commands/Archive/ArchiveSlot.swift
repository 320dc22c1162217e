import Archive
import Foundation
import Synchronization

/// The archive that a command writes: opened once, by whoever needs it first.
final class ArchiveSlot: Sendable {
    private let path: String
    private let opened = Mutex<ArchiveWriter?>(nil)

    /// The archive at a path; nothing is opened yet.
    init(path: String) {
        self.path = path
    }

    /// Opens the archive if its file exists.
    func openIfPresent() throws {
        guard FileManager.default.fileExists(atPath: path) else { return }
        _ = try writer()
    }

    /// The archive's one writer; the archive is made if it does not exist.
    func writer() throws -> ArchiveWriter {
        try opened.withLock { opened in
            if let opened { return opened }
            let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
            opened = writer
            return writer
        }
    }

    /// Closes the archive, if it was opened.
    func close() throws {
        try opened.withLock { opened in
            try opened?.close()
            opened = nil
        }
    }
}
