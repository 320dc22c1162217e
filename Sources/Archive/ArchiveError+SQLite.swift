import GRDB

extension ArchiveError {
    /// What an SQLite failure means for an archive.
    init(_ error: DatabaseError, path: String?) {
        let detail = error.message ?? "SQLite code \(error.extendedResultCode.rawValue)"
        let code: Code =
            switch error.resultCode {
            case .SQLITE_FULL: .full
            // The file of shared memory beside the log is made when a database is opened.
            case .SQLITE_IOERR where error.extendedResultCode == .SQLITE_IOERR_SHMSIZE: .full
            case .SQLITE_NOTADB: .notAnArchive
            case .SQLITE_CORRUPT, .SQLITE_FORMAT: .corrupt(detail)
            case .SQLITE_BUSY, .SQLITE_LOCKED: .locked("another program has the database file open for writing")
            case .SQLITE_READONLY, .SQLITE_PERM: .readOnly
            default: .io(detail)
            }
        self.init(code, path: path, cause: error)
    }

    /// Runs `body`; whatever SQLite throws comes out as an `ArchiveError` that names the archive.
    static func wrapping<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as ArchiveError {
            throw error.naming(path)
        } catch let error as DatabaseError {
            throw ArchiveError(error, path: path)
        }
    }
}
