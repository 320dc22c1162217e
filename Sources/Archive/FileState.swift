import Foundation

/// What the file system says of an archive's path, found without opening the file.
enum FileState {
    /// Throws `.notFound` if there is no file and there must be, `.notAnArchive` if it is no ordinary file.
    static func checkPresent(_ path: String, mayBeMissing: Bool) throws(ArchiveError) {
        var state = stat()
        guard stat(path, &state) == 0 else {
            let reason = errno
            switch reason {
            case ENOENT, ENOTDIR:
                guard !mayBeMissing else { return }
                throw ArchiveError(.notFound, path: path)
            case EACCES:
                throw ArchiveError(.io(String(cString: strerror(reason))), path: path, hint: "check its permissions")
            default:
                throw ArchiveError(.io(String(cString: strerror(reason))), path: path)
            }
        }
        guard state.st_mode & S_IFMT == S_IFREG else {
            throw ArchiveError(.notAnArchive, path: path, hint: "it is no ordinary file")
        }
    }

    /// The bytes of a file; 0 if it cannot be told.
    static func size(_ path: String) -> Int {
        var state = stat()
        return stat(path, &state) == 0 ? Int(state.st_size) : 0
    }
}
