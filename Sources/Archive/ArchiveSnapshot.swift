import Foundation
import GRDB
import KVModel

/// An archive as it was at one moment, held by an open read transaction.
///
/// A state reads its entries long after it was found. Merges and prunes may have replaced the segments by then; the
/// write-ahead log keeps the old ones for as long as the snapshot lives.
final class ArchiveSnapshot: Sendable {
    let path: String
    private let database: DatabaseQueue
    private let keyRing: KeyRing

    /// Opens the file at `address`, a path or an SQLite address, and holds what it sees.
    init(path: String, address: String, keyRing: KeyRing) throws {
        self.path = path
        self.keyRing = keyRing
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { try ArchiveFormat.keepTemporariesInMemory($0) }
        configuration.allowsUnsafeTransactions = true
        database = try ArchiveError.wrapping(path) {
            let database = try DatabaseQueue(path: address, configuration: configuration)
            try database.inDatabase { db in
                try db.beginTransaction(.deferred)
                // The transaction begins with the first read.
                guard try ArchiveFormat.inspect(db) == .archive else {
                    throw ArchiveError(.notAnArchive, hint: "the file is empty")
                }
            }
            return database
        }
    }

    func read<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try ArchiveError.wrapping(path) {
            try database.inDatabase { db in try KeyRing.$current.withValue(keyRing) { try body(db) } }
        }
    }

    /// The columns of a segment without its values.
    func columns(_ kept: KeptSegment, of incarnation: Incarnation) throws -> DecodedSegment {
        try read { try $0.columns(of: kept.row, incarnation) }
    }

    /// Loads the entries of a segment that a state holds.
    func run(_ kept: KeptSegment, of incarnation: Incarnation, after: Revision) throws -> DecodedRun {
        try read { db in
            let segment = try db.columns(of: kept.row, incarnation)
            let values = try db.values(of: kept.row, segment, incarnation) { index in
                kept.contains(index) && segment.revisions[index] > after
            }
            return DecodedRun(kept, segment, values: values, of: incarnation, path: path, after: after)
        }
    }
}
