import Foundation

/// A point and what it held, packed: an import keeps it until the entries are there that it names.
struct PackedPoint: Sendable {
    private let record: PointRecord
    private let rows: [Data]

    /// Packs a point.
    init(_ record: PointRecord) throws {
        let compressor = try Compressor(level: 3)
        let runs = record.held.runs
        rows = try stride(from: 0, to: runs.count, by: HeldRuns.perRow).map { start in
            Data(try HeldRuns.encode(runs[start..<min(runs.count, start + HeldRuns.perRow)], compressor))
        }
        self.record = PointRecord(point: record.point, entries: record.entries)
    }

    /// The point again.
    func unpacked() throws -> PointRecord {
        var result = record
        for row in rows { try result.held.append(decoding: row) }
        return result
    }
}
