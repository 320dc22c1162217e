import Archive
import Foundation
import GRDB
import KVModel

/// What a daemon must still know after it was killed: its runs, how each job stands, and samples for drawing.
///
/// One SQLite file, for one daemon at a time; the lock is a file beside it. All methods block on the disk, and each is
/// one transaction that is on the disk when it returns. It grows no further than its bounds: see `forget` and `record`.
public final class StateDatabase: Sendable {
    /// Its path.
    public let path: String
    /// How many runs of a job it keeps.
    public let runsPerJob: Int
    private let lock: FileLock
    private let database: DatabaseQueue

    /// Opens the state database at a path, made if there is none, and takes its lock.
    ///
    /// Throws `.stateLocked` with who has it, `.state` if the file is something else, of a newer cistern,
    /// or cannot be read or written. A file that is refused is not changed.
    public static func open(path: String, runsPerJob: Int = 1000) throws(DaemonError) -> StateDatabase {
        try StateDatabase(path: path, runsPerJob: runsPerJob)
    }

    private init(path: String, runsPerJob: Int) throws(DaemonError) {
        self.path = path
        self.runsPerJob = runsPerJob
        do {
            lock = try FileLock(path: path + ".lock", now: .wallClock())
        } catch {
            switch error {
            case .held(let holder):
                throw DaemonError(
                    .stateLocked,
                    text: "the state database \(path) belongs to another daemon: \(holder)",
                    hint: "stop that one, or give each daemon a file of its own under daemon.state"
                )
            case .system(let number):
                throw Self.failure(String(cString: strerror(number)), path)
            }
        }
        do {
            database = try Self.wrapping(path) {
                var configuration = Configuration()
                configuration.busyMode = .timeout(5)
                let database = try DatabaseQueue(path: path, configuration: configuration)
                try database.inDatabase { try StateFormat.prepare($0, path: path) }
                return database
            }
        } catch {
            lock.release()
            throw error
        }
    }

    /// Closes the file and gives its lock back; a second call does nothing.
    public func close() throws(DaemonError) {
        defer { lock.release() }
        try Self.wrapping(path) { try database.close() }
    }

    func read<Result>(_ body: (Database) throws -> Result) throws(DaemonError) -> Result {
        try Self.wrapping(path) { try database.read(body) }
    }

    func write<Result>(_ body: (Database) throws -> Result) throws(DaemonError) -> Result {
        try Self.wrapping(path) { try database.write(body) }
    }

    /// Runs `body`; whatever SQLite throws comes out as a `DaemonError` that names the file.
    private static func wrapping<Result>(_ path: String, _ body: () throws -> Result) throws(DaemonError) -> Result {
        do {
            return try body()
        } catch let error as DaemonError {
            throw error
        } catch let error as DatabaseError {
            throw Self.failure(error, path)
        } catch {
            throw Self.failure("\(error)", path)
        }
    }

    private static func failure(_ error: DatabaseError, _ path: String) -> DaemonError {
        switch error.resultCode {
        case .SQLITE_NOTADB:
            DaemonError(
                .state,
                text: "\(path) is not the state database of a daemon, but a file of something else",
                hint: "name another file under daemon.state"
            )
        case .SQLITE_CORRUPT, .SQLITE_FORMAT:
            DaemonError(
                .state,
                text: "the state database \(path) is damaged",
                hint: "move it away: the daemon begins with a new one, without its list of runs"
            )
        case .SQLITE_FULL: failure("the disk is full", path, hint: "make room")
        // The file of shared memory beside the log is made when a database is opened.
        case .SQLITE_IOERR where error.extendedResultCode == .SQLITE_IOERR_SHMSIZE:
            failure("the disk is full", path, hint: "make room")
        default: failure(error.message ?? "SQLite code \(error.extendedResultCode.rawValue)", path)
        }
    }

    private static func failure(
        _ reason: String,
        _ path: String,
        hint: String = "check the path under daemon.state, its directory and their permissions"
    ) -> DaemonError {
        DaemonError(.state, text: "the state database \(path) cannot be used: \(reason)", hint: hint)
    }
}
