import Foundation
import GRDB

/// A row as it was found on a page.
struct SalvagedRow {
    let rowid: Int64
    let values: [DatabaseValue]
    /// Pages on which its bytes lie, beyond the one where it begins.
    let overflow: [Int]
    /// Whether no cell of a page says that it is there: it may be an old one that was dropped.
    var isLoose = false
}

/// What the rows of a table look like: enough to know one from another's without a schema.
struct TableShape: Sendable {
    enum Kind: Sendable {
        case rowid
        case integer
        case text
        case blob
    }

    let name: String
    let columns: [(name: String, kind: Kind, isNullable: Bool)]

    /// The shapes of an archive's tables.
    static func all() throws -> [TableShape] {
        let database = try DatabaseQueue()
        return try database.write { db in
            try db.execute(sql: ArchiveFormat.schema)
            return try ArchiveFormat.tables.map { table in
                let rows = try db.rows("SELECT name, type, \"notnull\", pk FROM pragma_table_info(?)", [table])
                let keys = try rows.count { try $0.integer(3) > 0 }
                return TableShape(
                    name: table,
                    columns: try rows.map { row in
                        let type = try row.text(1)
                        let isKey = try row.integer(3) > 0 && keys == 1 && type == "INTEGER"
                        let kind: Kind = isKey ? .rowid : type == "TEXT" ? .text : type == "BLOB" ? .blob : .integer
                        return (try row.text(0), kind, try row.integer(2) == 0)
                    }
                )
            }
        }
    }

    /// Whether a row of these serial types can be one of the table's, whatever stands in one column.
    ///
    /// What is stored in place of a row's number is nothing; SQLite reads on where it is something of no length, too.
    func fits(_ types: [UInt64], butFor other: String? = nil, heedsRowid: Bool = true) -> Bool {
        guard types.count == columns.count else { return false }
        return zip(types, columns).allSatisfy { type, column in
            guard column.name != other else { return true }
            return switch column.kind {
            case .rowid: type == 0 || !heedsRowid && (8...11).contains(type)
            case .integer: (1...6).contains(type) || type == 8 || type == 9 || type == 0 && column.isNullable
            case .text: type >= 13 && type % 2 == 1 || type == 0 && column.isNullable
            case .blob: type >= 12 && type % 2 == 0 || type == 0 && column.isNullable
            }
        }
    }
}

/// Reads rows off pages.
struct RowScanner {
    private static let mostBytes = 1 << 30
    private let file: PageFile
    private let shapes: [TableShape]

    init(_ file: PageFile, _ shapes: [TableShape]) {
        self.file = file
        self.shapes = shapes
    }

    /// The row that begins at a place of a page, and its table; nil if no row of an archive does.
    ///
    /// Without `values`, only what its head says is read.
    func row(_ page: [UInt8], at offset: Int, values: Bool = true) throws -> (table: TableShape, row: SalvagedRow)? {
        var position = offset
        guard offset > 0, let size = PageCells.varint(page, &position),
            let rowid = PageCells.varint(page, &position),
            size > 4, size < Self.mostBytes, size <= UInt64(file.pageCount) * UInt64(file.pageSize)
        else { return nil }
        let start = position
        let local = PageCells.localSize(Int(size), pageSize: file.pageSize, isTable: true)
        guard start + local + (local < Int(size) ? 4 : 0) <= page.count else { return nil }
        guard let headSize = PageCells.varint(page, &position), headSize <= UInt64(local), headSize < 200 else {
            return nil
        }
        let headEnd = start + Int(headSize)
        var types: [UInt64] = []
        while position < headEnd, let type = PageCells.varint(page, &position) { types.append(type) }
        let length = types.reduce(UInt64(0)) { $0 &+ min(Self.length($1), UInt64(Self.mostBytes)) }
        guard position == headEnd, headSize + length == size,
            // Which bucket a segment belongs to its chain knows too.
            let shape = shapes.first(where: { $0.fits(types) })
                ?? shapes.first(where: { $0.name == "segment" && $0.fits(types, butFor: "incarnation") })
                ?? shapes.first(where: { $0.fits(types, heedsRowid: false) })
        else { return nil }
        let found = Int64(bitPattern: rowid)
        guard values else { return (shape, SalvagedRow(rowid: found, values: [], overflow: [])) }
        var bytes = Array(page[start..<start + local])
        var overflow: [Int] = []
        if local < Int(size) {
            var next = PageFile.number(page, start + local)
            while bytes.count < Int(size) {
                guard next > 0, next <= file.pageCount else { return nil }
                overflow.append(next)
                let more = try file.page(next)
                bytes += more[4..<min(more.count, 4 + Int(size) - bytes.count)]
                next = PageFile.number(more, 0)
            }
        }
        guard let decoded = Self.values(bytes, types, from: Int(headSize)) else { return nil }
        return (shape, SalvagedRow(rowid: found, values: decoded, overflow: overflow))
    }

    private static func length(_ type: UInt64) -> UInt64 {
        switch type {
        case 0, 8, 9, 10, 11: 0
        case 1...4: type
        case 5: 6
        case 6, 7: 8
        default: (type - 12) / 2
        }
    }

    private static func values(_ bytes: [UInt8], _ types: [UInt64], from start: Int) -> [DatabaseValue]? {
        var position = start
        var result: [DatabaseValue] = []
        for type in types {
            let length = Int(length(type))
            let part = bytes[position..<position + length]
            position += length
            switch type {
            case 0, 10, 11: result.append(.null)
            case 8, 9: result.append(Int64(type - 8).databaseValue)
            case 1...6:
                let isNegative = (part.first ?? 0) & 0x80 != 0
                result.append(part.reduce(isNegative ? Int64(-1) : 0) { $0 << 8 | Int64($1) }.databaseValue)
            case let text where text % 2 == 1:
                guard let string = String(validating: part, as: UTF8.self) else { return nil }
                result.append(string.databaseValue)
            default: result.append(Data(part).databaseValue)
            }
        }
        return result
    }
}
