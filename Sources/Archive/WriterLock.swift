import Foundation
import KVModel

/// The one-writer lock of an archive: an exclusive lock on a file beside it.
final class WriterLock: Sendable {
    private let lock: FileLock

    /// Takes the lock of the archive at `archivePath`, or throws `.locked` with what its holder wrote down.
    init(archivePath: String, now: Timestamp) throws {
        do {
            lock = try FileLock(path: archivePath + ".lock", now: now)
        } catch {
            switch error {
            case .held(let holder): throw ArchiveError(.locked(holder), path: archivePath)
            case .system(let number): throw Self.failure(number, archivePath)
            }
        }
    }

    /// Gives the lock back; the lock file goes while the lock is still held.
    func release() {
        lock.release()
    }

    private static func failure(_ number: Int32, _ path: String) -> ArchiveError {
        let code: ArchiveError.Code =
            switch number {
            case ENOENT: .notFound
            case ENOSPC, EDQUOT: .full
            case EACCES, EROFS, EPERM: .readOnly
            default: .io("lock file: \(String(cString: strerror(number)))")
            }
        return ArchiveError(code, path: path, hint: number == ENOENT ? "make its directory first" : nil)
    }
}
