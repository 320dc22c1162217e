import Crypto
import Foundation
import GRDB
import KVModel

/// All rows that can be found in a damaged file, whatever is wrong around them.
struct Salvage {
    /// Where the blobs of a segment lie.
    private struct Place {
        let page: Int
        let offset: Int
        let sizes: SegmentSizes
    }

    private let file: PageFile
    private let scanner: RowScanner
    private var rows: [String: [SalvagedRow]] = [:]
    private var shapes: [String: TableShape] = [:]
    /// The blobs of segments, by their digests.
    private var data: [[UInt8]: Place] = [:]
    private var overflow: Set<Int> = []
    /// Where rows were found: a page that is searched byte by byte gives none of them twice.
    private var taken: Set<Int> = []

    /// Looks through a file.
    init(path: String, progress: ((_ page: Int, _ ofPages: Int) -> Void)?) throws {
        file = try PageFile(path: path)
        let all = try TableShape.all()
        scanner = RowScanner(file, all)
        for shape in all { shapes[shape.name] = shape }
        let free = try file.freePages()
        var unknown: [(number: Int, from: Int)] = []
        for number in stride(from: 1, through: file.pageCount, by: 1) where !free.certain.contains(number) {
            progress?(number, file.pageCount)
            guard !free.doubtful.contains(number) else {
                unknown.append((number, 1))
                continue
            }
            let page = try file.page(number)
            let cells = PageCells(page, number)
            var isKnown = cells?.isAccounted ?? false
            // Pages of indexes, and inner ones, hold nothing that leaves of tables do not, if they are that.
            if let cells, cells.kind == .leafTable {
                for cell in cells.starts where try !take(page, number, at: cell) { isKnown = false }
            }
            if !isKnown { unknown.append((number, max(1, cells?.content ?? 0))) }
        }
        // Of pages that are not what they should be, every byte may be the first one of a row.
        for (number, start) in unknown where !overflow.contains(number) {
            let page = try file.page(number)
            for offset in start..<page.count { _ = try take(page, number, at: offset, isLoose: true) }
        }
    }

    private mutating func take(_ page: [UInt8], _ number: Int, at offset: Int, isLoose: Bool = false) throws -> Bool {
        guard !taken.contains(number * file.pageSize + offset),
            let head = try scanner.row(page, at: offset, values: false),
            var found = try scanner.row(page, at: offset)
        else { return false }
        found.row.isLoose = isLoose
        if head.table.name == "segment_data" {
            let blobs = found.row.values.compactMap { Data.fromDatabaseValue($0) }
            guard blobs.count == SegmentBlob.allCases.count else { return false }
            let ordered = Self.inOrder(blobs, head.table)
            let sizes = SegmentSizes(body: ordered[0].count, values: ordered[1].count, keyFilter: ordered[2].count)
            let parts = ordered.flatMap { Array(SHA256.hash(data: $0)) }
            data[parts] = Place(page: number, offset: offset, sizes: sizes)
        } else {
            rows[head.table.name, default: []].append(found.row)
        }
        overflow.formUnion(found.row.overflow)
        taken.insert(number * file.pageSize + offset)
        return true
    }

    /// The blobs in the order in which digests name them.
    private static func blobs(_ values: [DatabaseValue], _ shape: TableShape) -> [Data] {
        SegmentBlob.allCases.compactMap { blob in
            shape.columns.firstIndex { $0.name == blob.column }.flatMap { Data.fromDatabaseValue(values[$0]) }
        }
    }

    /// All blobs of a row, in the order in which digests name them.
    private static func inOrder(_ stored: [Data], _ shape: TableShape) -> [Data] {
        let names = shape.columns.filter { $0.kind == .blob }.map(\.name)
        return SegmentBlob.allCases.map { blob in names.firstIndex(of: blob.column).map { stored[$0] } ?? Data() }
    }

    /// Whether the blobs with these digests were found.
    func hasData(_ parts: SegmentParts) -> Bool { data[parts.bytes] != nil }

    /// A row with the sizes of the blobs that were found, whatever it says of them itself.
    func sized(_ row: SegmentRow) -> SegmentRow {
        guard let place = data[row.parts.bytes] else { return row }
        var row = row
        row.sizes = place.sizes
        return row
    }

    /// A segment as it was, from what its row says and the blobs that were found.
    func segment(_ row: SegmentRow) throws -> SealedSegment? {
        guard let place = data[row.parts.bytes], let shape = shapes["segment_data"],
            let found = try scanner.row(file.page(place.page), at: place.offset)
        else { return nil }
        let blobs = Self.blobs(found.row.values, shape).map { Array($0) }
        guard blobs.count == SegmentBlob.allCases.count else { return nil }
        return SealedSegment(stored: row, body: blobs[0], values: blobs[1], keyFilter: blobs[2])
    }

    /// The rows of a small table, with these columns in this order; `id` means the row's number where it is one.
    ///
    /// Loose rows come last, or are the only ones, or are left out.
    func rows(of table: String, _ columns: String, areLoose: Bool? = nil) -> [StoredRow] {
        guard let shape = shapes[table] else { return [] }
        let names = columns.split(separator: ",").map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
        let found = rows[table, default: []].filter { areLoose == nil || $0.isLoose == areLoose }
        return found.map { row in
            StoredRow(
                names.map { name in
                    guard let index = shape.columns.firstIndex(where: { $0.name == name }) else { return .null }
                    return shape.columns[index].kind == .rowid ? row.rowid.databaseValue : row.values[index]
                }
            )
        }
    }
}
