import Foundation
import GRDB
import KVModel

/// Reading segments: rows are checked against the chain, and each blob against its digest in the row.
extension Database {
    /// The rows of an incarnation's segments that begin at or before a revision, in order.
    ///
    /// All rows are checked, up to where the checkpoint closes the chain: none is changed, moved or missing.
    func segments(of incarnation: Incarnation, through revision: Revision = .max) throws -> [SegmentRow] {
        let root = SegmentDigest.root(incarnation)
        return try chain(of: incarnation, from: 0, after: root, closedBy: soundCheckpoint(incarnation))
            .filter { $0.header.firstRevision <= revision }
    }

    /// The rows from one on to the last, checked, where the digest of the row before is known.
    func chain(
        of incarnation: Incarnation,
        from ordinal: Int64,
        after previous: [UInt8],
        closedBy checkpoint: StoredCheckpoint?
    ) throws -> [SegmentRow] {
        var head = previous
        var count = ordinal
        var last: Revision = 0
        var result: [SegmentRow] = []
        let damage = { (what: String) in
            let place = "segment \(count) (after revision \(last)) of bucket \(incarnation.bucket)"
            return ArchiveError(.corrupt("\(place): \(what)"))
        }
        let sql = "SELECT \(SegmentRow.columns) FROM segment WHERE incarnation = ? AND ordinal >= ? ORDER BY ordinal"
        try forEachRow(sql, [incarnation.id.rawValue, ordinal == 0 ? Int64.min : ordinal]) { stored in
            let row: SegmentRow
            do {
                row = try SegmentRow(stored, previous: head)
            } catch let error as ArchiveError {
                guard case .corrupt(let detail) = error.code else { throw error }
                throw damage(detail)
            }
            guard row.ordinal == count else { throw damage("it is missing, \(row.name) is in its place") }
            try row.naming(incarnation) { try row.check() }
            result.append(row)
            head = row.digest
            count += 1
            last = row.header.lastRevision
        }
        let expected = checkpoint?.segments ?? 0
        guard count >= expected else { throw damage("it is missing") }
        guard count == expected, head == checkpoint?.head ?? head else {
            throw damage("the checkpoint does not close the chain of segments before it")
        }
        return result
    }

    /// The columns of a segment, its values excepted.
    func columns(of row: SegmentRow, _ incarnation: Incarnation) throws -> DecodedSegment {
        try packedColumns(of: row, incarnation).unpack()
    }

    /// The same, to be unpacked elsewhere.
    func packedColumns(of row: SegmentRow, _ incarnation: Incarnation) throws -> PackedColumns {
        let body = try checked([.body], of: row, incarnation)[0]
        return try row.naming(incarnation) {
            PackedColumns(row: row, incarnation: incarnation, body: body, cipher: try cipher(of: row, incarnation))
        }
    }

    /// The columns of a segment, and its values, still packed.
    func columnsAndValues(
        of row: SegmentRow,
        _ incarnation: Incarnation
    ) throws -> (columns: DecodedSegment, values: StoredValues) {
        let columns = try columns(of: row, incarnation)
        return (columns, try values(of: row, columns, incarnation) { _ in true })
    }

    /// Those values of a segment, still packed, that lie from the first to the last block with a wanted entry.
    ///
    /// Each block is checked against its digest when it is unpacked.
    func values(
        of row: SegmentRow,
        _ segment: DecodedSegment,
        _ incarnation: Incarnation,
        where isWanted: (Int) -> Bool
    ) throws -> StoredValues {
        let first = segment.valueBlocks.firstIndex { $0.entries.contains(where: isWanted) } ?? 0
        let last = segment.valueBlocks.lastIndex { $0.entries.contains(where: isWanted) } ?? first - 1
        return try naming(row, incarnation) {
            let cipher = try cipher(of: row, incarnation)
            let place = StoredValues.place(of: segment.valueBlocks[first..<last + 1], isSealed: cipher != nil)
            return StoredValues(bytes: try valueBytes(place, of: row), from: place.lowerBound, cipher: cipher)
        }
    }

    /// The key filter of a segment.
    func keyFilter(of row: SegmentRow, _ incarnation: Incarnation) throws -> Data {
        let stored = try checked([.keyFilter], of: row, incarnation)[0]
        return try row.naming(incarnation) {
            try cipher(of: row, incarnation).open(stored, .keyFilter)
        }
    }

    /// The blobs as they are stored: for verification, which goes on after damage.
    func unchecked(_ blobs: [SegmentBlob], of row: SegmentRow) throws -> [Data] {
        let columns = blobs.map(\.column).joined(separator: ", ")
        let sql = "SELECT \(columns) FROM segment_data WHERE id = ?"
        guard let stored = try rows(sql, [row.data]).first else { throw SegmentDamage("its data is gone") }
        return try blobs.indices.map { try stored.blob($0) }
    }

    /// The blobs as they are stored, each checked against its digest.
    func checked(_ blobs: [SegmentBlob], of row: SegmentRow, _ incarnation: Incarnation) throws -> [Data] {
        try naming(row, incarnation) {
            let all = try unchecked(blobs, of: row)
            for (blob, data) in zip(blobs, all) { try row.parts.check(blob, data) }
            return all
        }
    }

    /// Names the segment in whatever shows that it is damaged.
    private func naming<Result>(
        _ row: SegmentRow,
        _ incarnation: Incarnation,
        _ read: () throws -> Result
    ) throws -> Result {
        do {
            return try read()
        } catch let error as SegmentDamage {
            throw row.damage(incarnation, error)
        } catch let error as ArchiveError {
            guard case .corrupt(let detail) = error.code else { throw error }
            throw row.damage(incarnation, SegmentDamage(detail))
        } catch let error as DatabaseError where error.resultCode == .SQLITE_CORRUPT {
            throw row.damage(incarnation, error)
        }
    }
}
