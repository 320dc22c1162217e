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
    let keyRing: KeyRing
    private let fencing: FencingToken?
    /// Throws when the right to write is over.
    private let check: (@Sendable () throws -> Void)?

    /// Opens an archive for writing and takes the one-writer lock; makes the archive if asked to.
    ///
    /// A new archive is encrypted if there is a key. An encrypted one is not opened without its key (`.encrypted`,
    /// `.wrongKey`), nor one that is not with a key (`.notEncrypted`): who gives a key relies on it.
    /// With `encrypts` a plain one is, for `reencrypt`, which makes an encrypted one of it.
    /// With a fencing token, the archive takes only what no higher token of its scope stands against (`.fencedOff`).
    /// `busyTimeout` is how long, in seconds, another program's lock on the database itself is waited for;
    /// `now` is what the lock file says to others, by default the system's clock.
    public static func open(
        path: String,
        createIfMissing: Bool = false,
        key: ArchiveKey? = nil,
        encrypts: Bool = false,
        fencing: FencingToken? = nil,
        busyTimeout: Double = 5,
        now: Timestamp? = nil
    ) throws -> ArchiveWriter {
        try ArchiveWriter(
            path: path,
            createIfMissing: createIfMissing,
            key: key,
            encrypts: encrypts,
            fencing: fencing,
            busyTimeout: busyTimeout,
            now: now ?? .wallClock()
        )
    }

    private init(
        path: String,
        createIfMissing: Bool,
        key: ArchiveKey?,
        encrypts: Bool,
        fencing: FencingToken?,
        busyTimeout: Double,
        now: Timestamp
    ) throws {
        self.path = path
        self.fencing = fencing
        check = nil
        try FileState.checkPresent(path, mayBeMissing: createIfMissing)
        lock = try WriterLock(archivePath: path, now: now)
        do {
            (database, keyRing) = try ArchiveError.wrapping(path) {
                var configuration = Configuration()
                configuration.busyMode = .timeout(busyTimeout)
                configuration.foreignKeysEnabled = true
                configuration.prepareDatabase { try ArchiveFormat.keepTemporariesInMemory($0) }
                let database = try DatabaseQueue(path: path, configuration: configuration)
                let keyRing = try database.inDatabase { db in
                    // Nothing is written, not even a pragma that stays, before the file is known to be ours.
                    switch try ArchiveFormat.inspect(db) {
                    case .archive: break
                    case .empty:
                        guard createIfMissing else { throw ArchiveError(.notAnArchive, hint: "the file is empty") }
                        try ArchiveFormat.create(db, key: key)
                    }
                    try db.execute(sql: "PRAGMA synchronous = FULL")
                    // A row that is replaced leaves no bytes that one changed pointer would make the present one.
                    _ = try db.rows("PRAGMA secure_delete = FAST")
                    // A file that cannot be written shows now, not at the first commit.
                    try db.inTransaction(.immediate) { .rollback }
                    try db.execute(sql: "PRAGMA wal_autocheckpoint = \((16 << 20) / ArchiveFormat.pageSize)")
                    try db.execute(sql: "PRAGMA journal_size_limit = \(64 << 20)")
                    let keyRing = try KeyRing(db, key: key)
                    try keyRing.checkForWriting(db, encrypts: encrypts)
                    // Recorded from the start, so that whoever had the job before is refused from now on.
                    if let fencing {
                        try db.inTransaction(.immediate) {
                            try db.pass(fencing)
                            return .commit
                        }
                    }
                    return keyRing
                }
                return (database, keyRing)
            }
        } catch {
            lock.release()
            throw error
        }
    }

    /// The same writer for work that has another fencing token, or none.
    ///
    /// It shares the file and the lock: closing one closes both. The token is looked at in every transaction; what
    /// `check` throws, at the end of each, takes the transaction back.
    public func fenced(by token: FencingToken?, check: (@Sendable () throws -> Void)? = nil) -> ArchiveWriter {
        ArchiveWriter(sharing: self, fencing: token, check: check)
    }

    private init(sharing other: ArchiveWriter, fencing: FencingToken?, check: (@Sendable () throws -> Void)?) {
        path = other.path
        database = other.database
        lock = other.lock
        keyRing = other.keyRing
        self.fencing = fencing
        self.check = check
    }

    /// Opens the archive for reading beside this writer, with the same key.
    public func reader() throws -> ArchiveReader {
        try ArchiveReader.open(path: path, key: keyRing.key)
    }

    /// Brings the write-ahead log into the file, as far as no reader needs it; `close` has less to do then.
    public func shortenLog() throws {
        try ArchiveError.wrapping(path) {
            _ = try database.inDatabase { try $0.rows("PRAGMA wal_checkpoint(PASSIVE)") }
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

    func read<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try ArchiveError.wrapping(path) {
            try database.read { db in try KeyRing.$current.withValue(keyRing) { try body(db) } }
        }
    }

    /// Runs `body` outside any transaction, for what must not be in one.
    func withoutTransaction<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try ArchiveError.wrapping(path) { try database.inDatabase(body) }
    }

    func write<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try ArchiveError.wrapping(path) {
            try database.inDatabase { db in
                var result: Result?
                try db.inTransaction(.immediate) {
                    if let fencing { try db.pass(fencing) }
                    result = try KeyRing.$current.withValue(keyRing) { try body(db) }
                    try check?()
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
