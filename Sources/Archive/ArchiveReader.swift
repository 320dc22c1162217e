import Foundation
import GRDB
public import KVModel

/// Reads an archive, also while a writer writes it, and also from read-only media.
///
/// Each operation sees one point of the archive. All methods block on the disk. Any number of readers may be open;
/// the operations of one reader run one after another.
public final class ArchiveReader: Sendable {
    /// The archive's path.
    public let path: String
    private let database: DatabaseQueue
    let keyRing: KeyRing
    /// What SQLite calls the file: the path, or an address that says that nobody writes it.
    private let address: String

    /// Opens an archive for reading.
    ///
    /// Without its key, all but keys and values can be read of an encrypted archive; `.encrypted` is thrown for those.
    /// A wrong key is refused now, with `.wrongKey`; a key for an archive that is not encrypted is not used.
    public static func open(path: String, key: ArchiveKey? = nil) throws -> ArchiveReader {
        try ArchiveReader(path: path, key: key)
    }

    private init(path: String, key: ArchiveKey?) throws {
        self.path = path
        try FileState.checkPresent(path, mayBeMissing: false)
        (database, address) = try ArchiveError.wrapping(path) {
            do {
                return (try Self.connect(path), path)
            } catch let error as DatabaseError
                where [.SQLITE_CANTOPEN, .SQLITE_READONLY].contains(error.resultCode)
            {
                // The log's shared memory cannot be made here: the directory is read-only. Then nobody writes either,
                // and what the file holds is all there is, unless a log lies beside it.
                guard FileState.size(path + "-journal") == 0 else {
                    throw ArchiveError(
                        .notAnArchive,
                        hint: "it was only being made when that was broken off: run what made it again",
                        cause: error
                    )
                }
                guard FileState.size(path + "-wal") == 0 else {
                    throw ArchiveError(
                        .readOnly,
                        hint: "a write-ahead log lies beside it: copy both to a directory that can be written",
                        cause: error
                    )
                }
                let address = Self.immutableAddress(path)
                return (try Self.connect(address), address)
            }
        }
        let database = database
        keyRing = try ArchiveError.wrapping(path) { try database.read { try KeyRing($0, key: key) } }
    }

    /// Whether a file is there that is more than what a process leaves that is killed while it makes an archive.
    ///
    /// What else may be wrong with the file, opening it says.
    public static func isPresent(path: String) -> Bool {
        guard FileState.size(path) > 0 else { return false }
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        do {
            let database = try DatabaseQueue(path: path, configuration: configuration)
            return try database.read { try ArchiveFormat.inspect($0) } != .empty
        } catch {
            // An archive has a write-ahead log from its first table on: a journal undoes what was made of it.
            return FileState.size(path + "-journal") == 0
        }
    }

    private static func connect(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { try ArchiveFormat.keepTemporariesInMemory($0) }
        let database = try DatabaseQueue(path: path, configuration: configuration)
        try database.read { db in
            guard try ArchiveFormat.inspect(db) == .archive else {
                throw ArchiveError(.notAnArchive, hint: "the file is empty")
            }
        }
        return database
    }

    private static func immutableAddress(_ path: String) -> String {
        var escaped = ""
        for byte in path.utf8 {
            switch byte {
            case 45...57, 65...90, 95, 97...122: escaped.unicodeScalars.append(UnicodeScalar(byte))
            default: escaped += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return "file:\(escaped)?immutable=1"
    }

    /// The archive as it is now, for as long as it is needed.
    func snapshot() throws -> ArchiveSnapshot {
        try ArchiveSnapshot(path: path, address: address, keyRing: keyRing)
    }

    func read<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try ArchiveError.wrapping(path) {
            try database.read { db in try KeyRing.$current.withValue(keyRing) { try body(db) } }
        }
    }

    /// The key it was opened with, if there was one.
    public var key: ArchiveKey? { keyRing.key }

    /// Closes the file; optional, the last reference does it as well.
    public func close() throws {
        try ArchiveError.wrapping(path) { try database.close() }
    }

    /// All incarnations, in the order in which the archive met them.
    public func incarnations() throws -> [Incarnation] {
        try read { try $0.incarnations() }
    }

    /// The newest incarnation of a bucket, on one cluster or on any; nil if the archive has none.
    public func latestIncarnation(bucket: BucketName, cluster: String? = nil) throws -> Incarnation? {
        try read { try $0.latestIncarnation(bucket: bucket, cluster: cluster) }
    }

    /// How far the archive follows an incarnation; nil before its first commit.
    public func checkpoint(_ id: IncarnationID) throws -> Checkpoint? {
        try read { db in try db.soundCheckpoint(db.incarnation(id))?.checkpoint }
    }

    /// The configurations recorded for an incarnation, oldest first; throws if one is missing, or not what was written.
    public func configurations(of id: IncarnationID) throws -> [ConfigurationRecord] {
        try read { try $0.configurations($0.incarnation(id)) }
    }

    /// The tags of an incarnation, by revision.
    public func tags(of id: IncarnationID) throws -> [ArchiveTag] {
        try read { try $0.tags(id) }
    }

    /// The audit trail, oldest first.
    public func runs() throws -> [ArchiveRun] {
        try read { try $0.runs() }
    }
}
