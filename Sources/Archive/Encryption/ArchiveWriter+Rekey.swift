import Crypto
import Foundation
import GRDB
import KVModel

/// How far a re-encryption is.
public struct ReencryptionProgress: Sendable, Equatable {
    /// Segments that are encrypted with the new data key.
    public var segments: Int
    /// Segments there are.
    public var ofSegments: Int
    /// Entries that are encrypted with the new data key.
    public var entries: Int
    /// Entries there are.
    public var ofEntries: Int
}

/// Changing the keys of an archive.
///
/// The data key encrypts segments; the user's key only wraps it, so that a change of the user's key writes one row.
/// Every step is a transaction that leaves a sound archive which opens with the key that is documented for it: whatever
/// is interrupted goes on when it is called again.
extension ArchiveWriter {
    /// Bytes of segments that one transaction encrypts again: what memory and log must hold.
    private static let batchBytes = 32 << 20

    /// Wraps the archive's data keys with another key; the one before opens the archive no more.
    ///
    /// Whoever has a copy of the archive from before and its key keeps the data key: `reencrypt` makes a new one.
    public func changeKey(to key: ArchiveKey) throws {
        try erasing {
            try write { db in
                let wrapped = try db.dataKeys()
                guard !wrapped.isEmpty else { throw ArchiveError(.notEncrypted) }
                for row in wrapped {
                    let dataKey = try keyRing.dataKey(row.id, db)
                    try db.save(WrappedDataKey(dataKey, id: row.id, isComplete: row.isComplete, for: key))
                }
            }
            keyRing.replaceKey(key)
        }
    }

    /// Encrypts every segment with a new data key, or goes on with that; also encrypts an archive that was plain.
    ///
    /// In the end the file is written anew, so that nothing of what it held before is left in it: that takes free room
    /// of twice its size for a while. `progress` is called between transactions and may throw to stop there.
    public func reencrypt(progress: (ReencryptionProgress) throws -> Void = { _ in }) throws {
        try reencrypt(batchBytes: Self.batchBytes, progress: progress)
    }

    func reencrypt(batchBytes: Int, progress: (ReencryptionProgress) throws -> Void) throws {
        guard let key = keyRing.key else { throw ArchiveError(.invalid("a re-encryption without a key"), path: path) }
        let id = try beginReencryption(key)
        for incarnation in try read({ try $0.incarnations() }) {
            while true {
                try progress(try read { try $0.progress(dataKey: id) })
                let isUnfinished = try write { db in
                    try reencryptSegments(of: incarnation, dataKey: id, batchBytes: batchBytes, db)
                }
                guard isUnfinished else { break }
            }
        }
        try erasing {
            try write { try $0.keepDataKey(id) }
            try rewriteFile()
            try write { db in
                guard let row = try db.dataKeys().first(where: { $0.id == id }) else {
                    throw ArchiveError(.corrupt("the row of its data key is gone"))
                }
                try db.save(
                    WrappedDataKey(id: id, wrapping: row.wrapping, wrapped: row.wrapped, isComplete: true)
                )
            }
        }
        try progress(try read { try $0.progress(dataKey: id) })
    }

    /// The number of the data key that everything shall be encrypted with: that of an unfinished run, or a new one.
    private func beginReencryption(_ key: ArchiveKey) throws -> Int64 {
        let (id, dataKey) = try write { db in
            let newest = try db.dataKeys().last
            if let newest, !newest.isComplete { return (newest.id, try keyRing.dataKey(newest.id, db)) }
            let id = (newest?.id ?? 0) + 1
            let dataKey = SymmetricKey(size: .bits256)
            try db.save(WrappedDataKey(dataKey, id: id, isComplete: false, for: key))
            return (id, dataKey)
        }
        keyRing.use(id, dataKey)
        return id
    }

    /// Encrypts the next segments and closes the chain again; answers whether there were any.
    private func reencryptSegments(
        of incarnation: Incarnation,
        dataKey: Int64,
        batchBytes: Int,
        _ db: Database
    ) throws -> Bool {
        let rows = try db.segments(of: incarnation)
        guard let first = rows.firstIndex(where: { $0.seal?.dataKey != dataKey }) else { return false }
        var bytes = 0
        var head = rows[first].previous
        for row in rows[first...] {
            var sizes = row.sizes
            var parts = row.parts
            var seal = row.seal
            if seal?.dataKey != dataKey, bytes < batchBytes {
                bytes += row.sizes.total
                let sealed = try db.sealed(try db.opened(row, incarnation), of: incarnation)
                try db.replaceBlobs(of: row, incarnation, with: sealed)
                (sizes, parts, seal) = (sealed.sizes, sealed.parts, sealed.seal)
            }
            head = SegmentDigest.chained(
                row.header,
                sizes,
                parts,
                seal,
                ordinal: row.ordinal,
                previous: head
            )
            try db.setDigest(head, of: row, incarnation)
        }
        try db.closeChain(of: incarnation, head: head)
        return true
    }

    /// Runs `body` so that what it replaces stays neither in the file nor in its write-ahead log.
    private func erasing(_ body: () throws -> Void) throws {
        try withoutTransaction { try $0.execute(sql: "PRAGMA secure_delete = ON") }
        try body()
        try emptyLog()
    }

    /// Writes the whole file anew: pages that nothing uses any more, and the ends of pages, may hold what was.
    private func rewriteFile() throws {
        try emptyLog()
        try withoutTransaction { db in
            // Everything is encrypted by now, so that the copy SQLite makes may be a file: in memory it has no bounds.
            try db.execute(sql: "PRAGMA temp_store = FILE")
            try db.execute(sql: "VACUUM")
            try ArchiveFormat.keepTemporariesInMemory(db)
        }
        try emptyLog()
    }

    /// Writes the log back and cuts it to nothing.
    private func emptyLog() throws {
        let isBusy = try withoutTransaction { db in
            try db.rows("PRAGMA wal_checkpoint(TRUNCATE)").first?.integer(0) != 0
        }
        guard !isBusy else {
            throw ArchiveError(
                .locked("a reader keeps its write-ahead log, which may hold what is to be erased"),
                path: path,
                hint: "run the same again when the reader has ended"
            )
        }
    }
}

extension Database {
    fileprivate func progress(dataKey: Int64) throws -> ReencryptionProgress {
        let sum = "SELECT count(*), coalesce(sum(entry_count), 0) FROM segment"
        guard let done = try rows(sum + " WHERE data_key = ?", [dataKey]).first, let all = try rows(sum).first else {
            throw ArchiveError(.corrupt("the segments cannot be counted"))
        }
        return ReencryptionProgress(
            segments: Int(try done.integer(0)),
            ofSegments: Int(try all.integer(0)),
            entries: Int(try done.integer(1)),
            ofEntries: Int(try all.integer(1))
        )
    }

    /// A stored segment as it was before it was sealed.
    fileprivate func opened(
        _ row: SegmentRow,
        _ incarnation: Incarnation
    ) throws -> EncodedSegment {
        let blobs = try checked(SegmentBlob.allCases, of: row, incarnation)
        return try row.naming(incarnation) {
            let cipher = try cipher(of: row, incarnation)
            let body = try cipher.open(blobs[0], .body)
            let stored = StoredValues(bytes: blobs[1], cipher: cipher)
            let segment = try DecodedSegment(body: body)
            guard segment.header == row.header, stored.areAll(of: segment) else {
                throw SegmentDamage("its row and its body differ")
            }
            var values: [UInt8] = []
            values.reserveCapacity(segment.storedValueBytes)
            for block in segment.valueBlocks {
                try stored.withBlock(block) { values.append(contentsOf: $0) }
            }
            return EncodedSegment(
                header: row.header,
                body: Array(body),
                values: values,
                valueBlocks: segment.valueBlocks.map(\.stored.count),
                keyFilter: Array(try cipher.open(blobs[2], .keyFilter))
            )
        }
    }

    fileprivate func replaceBlobs(
        of row: SegmentRow,
        _ incarnation: Incarnation,
        with sealed: SealedSegment
    ) throws {
        let sizes = sealed.sizes
        try cachedStatement(
            sql: """
                UPDATE segment SET parts = ?, data_key = ?, seal = ?, filter_size = ?, body_size = ?, values_size = ?
                WHERE incarnation = ? AND ordinal = ?
                """
        ).execute(arguments: [
            Data(sealed.parts.bytes), sealed.seal?.dataKey, sealed.seal.map { Data($0.identity) },
            sizes.keyFilter, sizes.body, sizes.values, incarnation.id.rawValue, row.ordinal,
        ])
        try cachedStatement(sql: "UPDATE segment_data SET key_filter = ?, body = ?, value_blocks = ? WHERE id = ?")
            .execute(arguments: [Data(sealed.keyFilter), Data(sealed.body), Data(sealed.values), row.data])
    }

    fileprivate func setDigest(_ digest: [UInt8], of row: SegmentRow, _ incarnation: Incarnation) throws {
        try cachedStatement(sql: "UPDATE segment SET digest = ? WHERE incarnation = ? AND ordinal = ?")
            .execute(arguments: [Data(digest), incarnation.id.rawValue, row.ordinal])
    }

    /// Writes down the new end of a chain whose segments are otherwise the same.
    func closeChain(of incarnation: Incarnation, head: [UInt8]) throws {
        guard var stored = try soundCheckpoint(incarnation) else { return }
        stored.head = head
        try save(&stored, incarnation)
    }
}
