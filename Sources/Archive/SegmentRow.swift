import Foundation
import GRDB
import KVModel

/// A segment's row without its blobs, and the digest that its own is chained to.
struct SegmentRow: Sendable {
    let ordinal: Int64
    let header: SegmentHeader
    var sizes: SegmentSizes
    let parts: SegmentParts
    /// Nil if its blobs are not encrypted.
    let seal: SegmentSeal?
    let digest: [UInt8]
    let previous: [UInt8]
    /// The row of its blobs; no digest covers it, `parts` says whether it is the right one.
    let data: Int64

    /// What messages call it.
    var name: String { "segment \(ordinal) (revisions \(header.firstRevision) to \(header.lastRevision))" }

    /// Throws unless the row is what was written, at this place of the chain; no blob is read.
    func check() throws(SegmentDamage) {
        let expected = SegmentDigest.chained(header, sizes, parts, seal, ordinal: ordinal, previous: previous)
        guard digest == expected, parts.bytes.count == SegmentParts.size else {
            throw SegmentDamage("the digest of its row does not match")
        }
    }

    /// The error for something wrong with this segment of a bucket.
    func damage(_ incarnation: Incarnation, _ what: any Error) -> ArchiveError {
        let reason = (what as? DatabaseError)?.message ?? "\(what)"
        return ArchiveError(.corrupt("\(name) of bucket \(incarnation.bucket): \(reason)"), cause: what)
    }

    /// Runs `body`; damage that it finds comes out naming the segment.
    func naming<Result>(_ incarnation: Incarnation, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as SegmentDamage {
            throw damage(incarnation, error)
        }
    }
}

extension SegmentRow {
    static let columns = """
        ordinal, first_revision, last_revision, first_time, last_time, entry_count, raw_size, digest, parts,
        body_size, values_size, filter_size, data, data_key, seal
        """

    /// Reads a row of `columns`; whether it is what was written, `check` says.
    init(_ row: StoredRow, previous: [UInt8]) throws {
        let count = try row.integer(5)
        let size = try row.integer(6)
        guard count > 0, count <= SegmentFormat.maximumEntries, size >= 0 else {
            throw ArchiveError(.corrupt("a segment's counts are out of bounds"))
        }
        var seal: SegmentSeal?
        if let dataKey = try row.optional(13, row.integer) {
            seal = SegmentSeal(dataKey: dataKey, identity: Array(try row.blob(14)))
        }
        self.init(
            ordinal: try row.integer(0),
            header: SegmentHeader(
                firstRevision: try row.revision(1),
                lastRevision: try row.revision(2),
                firstTime: try row.time(3),
                lastTime: try row.time(4),
                count: Int(count),
                rawSize: Int(size)
            ),
            sizes: SegmentSizes(
                body: Int(try row.integer(9)),
                values: Int(try row.integer(10)),
                keyFilter: Int(try row.integer(11))
            ),
            parts: SegmentParts(stored: try row.blob(8)),
            seal: seal,
            digest: Array(try row.blob(7)),
            previous: previous,
            data: try row.integer(12)
        )
    }
}
