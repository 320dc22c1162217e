import Foundation

/// A new folder for the time being that only this user can look into.
///
/// Its process holds a lock on it, which the kernel gives back however the process ends: so the next one finds the
/// folders that killed ones have left, and removes them.
struct PrivateFolder: Sendable {
    private static let prefix = "cistern-copy-"

    /// Where it is.
    let path: String
    /// Open, and locked; nil where the file system has no locks.
    private let descriptor: Int32?

    /// Makes it, where TMPDIR says or in /tmp.
    init(_ environment: [String: String]) throws {
        let parent = environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
        Self.removeAbandoned(in: parent)
        while true {
            var template = Array("\(parent)/\(Self.prefix)XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else {
                throw CommandError(
                    .outputFailed,
                    text: "no folder can be made in \(parent): \(String(cString: strerror(errno)))",
                    hint: "name another with TMPDIR"
                )
            }
            let made = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let locked = Self.lock(made)
            // Another process may take it for abandoned before it is locked, and remove it.
            guard locked == nil, errno == EWOULDBLOCK || errno == ENOENT else {
                (path, descriptor) = (made, locked)
                return
            }
        }
    }

    /// Removes it with all that is in it.
    func remove() throws {
        defer { if let descriptor { close(descriptor) } }
        try FileManager.default.removeItem(atPath: path)
    }

    /// Opens a folder of this user's and locks it; nil, with `errno`, if that cannot be had.
    private static func lock(_ path: String) -> Int32? {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        var (held, named) = (stat(), stat())
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 {
            if fstat(descriptor, &held) == 0, stat(path, &named) == 0, held.st_ino == named.st_ino,
                held.st_uid == getuid()
            {
                return descriptor
            }
            errno = ENOENT
        }
        let reason = errno
        close(descriptor)
        errno = reason
        return nil
    }

    /// Removes what processes that were killed have left of the user's data; what cannot be removed stays for the next.
    private static func removeAbandoned(in parent: String) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
        for name in names where name.hasPrefix(prefix) {
            let path = "\(parent)/\(name)"
            guard let descriptor = lock(path) else { continue }
            try? FileManager.default.removeItem(atPath: path)
            close(descriptor)
        }
    }
}
