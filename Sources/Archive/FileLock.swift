import Foundation
package import KVModel
import Synchronization

/// An exclusive `flock` on a file that is there for nothing else, beside what it guards.
///
/// The kernel gives the lock back when the process ends, however it ends. What is guarded is never opened here: closing
/// any descriptor of a database file would drop the locks that SQLite holds on it in this process. Whoever holds the
/// lock may remove its file; whoever gets the lock checks that the file is still the one at the path.
package final class FileLock: Sendable {
    /// Why the lock was not to be had.
    package enum Failure: Error {
        /// Somebody holds it, who wrote this down.
        case held(by: String)
        /// The operating system refused, with this `errno`.
        case system(Int32)
    }

    private let path: String
    private let descriptor: Mutex<Int32?>

    /// Takes the lock whose file is at `path`, or throws; `now` is what the file says to others.
    package init(path: String, now: Timestamp) throws(Failure) {
        self.path = path
        while true {
            let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
            guard file >= 0 else { throw .system(errno) }
            guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
                let reason = errno
                let holder = Self.holder(file)
                close(file)
                guard reason == EWOULDBLOCK else { throw .system(reason) }
                throw .held(by: holder)
            }
            guard Self.isSameFile(file, path) else {
                close(file)
                continue
            }
            Self.writeHolder(file, now: now)
            descriptor = Mutex(file)
            return
        }
    }

    deinit {
        release()
    }

    /// Gives the lock back; the lock file goes while the lock is still held.
    package func release() {
        descriptor.withLock { file in
            guard let held = file else { return }
            unlink(path)
            close(held)
            file = nil
        }
    }

    private static func isSameFile(_ file: Int32, _ path: String) -> Bool {
        var held = stat()
        var named = stat()
        guard fstat(file, &held) == 0, stat(path, &named) == 0 else { return false }
        return held.st_ino == named.st_ino && held.st_dev == named.st_dev
    }

    private static func writeHolder(_ file: Int32, now: Timestamp) {
        let text = "process \(getpid()) on \(ProcessInfo.processInfo.hostName) since \(now)\n"
        // The text only serves the message that another run prints: on a full disk the lock holds without it.
        guard ftruncate(file, 0) == 0 else { return }
        _ = text.withCString { pwrite(file, $0, strlen($0), 0) }
    }

    private static func holder(_ file: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = pread(file, &bytes, bytes.count, 0)
        guard count > 0 else { return "a process that has not said its name yet" }
        let line = bytes.prefix(count).prefix { $0 != 10 && $0 != 0 }
        return Key(bytes: Array(line)).description
    }
}
