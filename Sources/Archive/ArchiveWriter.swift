// Archive keeps the history of buckets in one SQLite file: segments of compressed columns, chained by digests, and a
// checkpoint committed in the same transaction as the segments that lead to it. After a crash at any instant a file is
// at a checkpoint: nothing twice, nothing missing. It reads buckets back as they were at a revision or a time, proves
// what it holds (`verify`, `digest`), and knows no network. It never changes a file that is not an archive, and never
// lets two writers at one. Damaged or hostile bytes give an `ArchiveError`, never a trap. `Archive.docc/Format.md`
// specifies the file. Start with `ArchiveWriter` and `SegmentBuilder`, what capture uses, then `ArchiveReader`.

import Foundation
import GRDB
public import KVModel

/// The one writer of an archive.
///
/// All methods block on the disk: call them on a thread that may. Every method that changes the archive is one
/// transaction, on the disk when the method returns.
public final class ArchiveWriter: Sendable {
    /// The archive's path.
    public let path: String
    private let database: DatabaseQueue
    private let lock: WriterLock

    /// Opens an archive for writing and takes the one-writer lock; makes the archive if asked to.
    ///
    /// `busyTimeout` is how long, in seconds, another program's lock on the database itself is waited for;
    /// `now` is what the lock file says to others, by default the system's clock.
    public static func open(
        path: String,
        createIfMissing: Bool = false,
        busyTimeout: Double = 5,
        now: Timestamp? = nil
    ) throws -> ArchiveWriter {
        try ArchiveWriter(
            path: path,
            createIfMissing: createIfMissing,
            busyTimeout: busyTimeout,
            now: now ?? .wallClock()
        )
    }

    private init(path: String, createIfMissing: Bool, busyTimeout: Double, now: Timestamp) throws {
        self.path = path
        try FileState.checkPresent(path, mayBeMissing: createIfMissing)
        lock = try WriterLock(archivePath: path, now: now)
        do {
            database = try ArchiveError.wrapping(path) {
                var configuration = Configuration()
                configuration.busyMode = .timeout(busyTimeout)
                configuration.foreignKeysEnabled = true
                let database = try DatabaseQueue(path: path, configuration: configuration)
                try database.inDatabase { db in
                    // Nothing is written, not even a pragma that stays, before the file is known to be ours.
                    switch try ArchiveFormat.inspect(db) {
                    case .archive: break
                    case .empty:
                        guard createIfMissing else { throw ArchiveError(.notAnArchive, hint: "the file is empty") }
                        try ArchiveFormat.create(db)
                    }
                    try db.execute(sql: "PRAGMA synchronous = FULL")
                    // A file that cannot be written shows now, not at the first commit.
                    try db.inTransaction(.immediate) { .rollback }
                    try db.execute(sql: "PRAGMA wal_autocheckpoint = \((16 << 20) / ArchiveFormat.pageSize)")
                    try db.execute(sql: "PRAGMA journal_size_limit = \(64 << 20)")
                }
                return database
            }
        } catch {
            lock.release()
            throw error
        }
    }

    /// Finishes the write-ahead log, closes the file and gives the lock back.
    ///
    /// A second call does nothing.
    public func close() throws {
        defer { lock.release() }
        try ArchiveError.wrapping(path) {
            do {
                _ = try checkpointLog()
            } catch let error as DatabaseError where error.isClosed {
                // The file is closed already.
            }
            try database.close()
        }
    }

    /// Brings the write-ahead log into the file; answers whether a reader still needs some of the log.
    func checkpointLog() throws -> Bool {
        do {
            return try database.inDatabase { try $0.rows("PRAGMA wal_checkpoint(TRUNCATE)").first?.integer(0) } != 0
        } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
            return true
        }
    }

    /// A reader of the same archive, beside this writer.
    public func makeReader() throws -> ArchiveReader {
        try ArchiveReader.open(path: path)
    }

    func read<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try ArchiveError.wrapping(path) { try database.read(body) }
    }

    func write<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try ArchiveError.wrapping(path) {
            try database.inDatabase { db in
                var result: Result?
                try db.inTransaction(.immediate) {
                    result = try body(db)
                    return .commit
                }
                guard let result else { throw ArchiveError(.io("the transaction did not run")) }
                return result
            }
        }
    }
}

extension DatabaseError {
    /// Whether the connection was closed before.
    var isClosed: Bool { resultCode == .SQLITE_MISUSE }
}
