import Foundation
import KVModel

/// The one-writer lock of an archive, as those see it who do not want to write.
public enum ArchiveLock {
    /// Removes the lock file that a process left behind which is gone; answers what it says, nil if there is none.
    ///
    /// Never takes the lock from a process that holds it: throws `.locked` with the holder instead.
    public static func clear(path: String) throws -> String? {
        try FileState.checkPresent(path, mayBeMissing: false)
        guard FileManager.default.fileExists(atPath: path + ".lock") else { return nil }
        let left = FileManager.default.contents(atPath: path + ".lock") ?? Data()
        // Whoever gets the lock may remove its file, and nobody gets it from a living process.
        try WriterLock(archivePath: path, now: .wallClock()).release()
        let line = left.prefix { $0 != 10 && $0 != 0 }
        return line.isEmpty ? "an unknown process" : Key(bytes: Array(line)).description
    }
}
