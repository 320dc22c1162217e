import Foundation
import GRDB
import KVModel

/// Reading rows without trusting them: a damaged page can hold any type in any column.
struct StoredRow {
    private let values: [DatabaseValue]

    init(_ row: Row) {
        values = Array(row.databaseValues)
    }

    init(_ values: [DatabaseValue]) {
        self.values = values
    }

    /// The row without its first columns.
    func dropping(_ count: Int) -> StoredRow {
        StoredRow(Array(values.dropFirst(count)))
    }

    /// A column as it is.
    subscript(_ column: Int) -> DatabaseValue {
        column < values.count ? values[column] : .null
    }

    private func value(_ column: Int) throws -> DatabaseValue {
        guard column < values.count else { throw ArchiveError(.corrupt("a row has too few columns")) }
        return values[column]
    }

    func isNull(_ column: Int) throws -> Bool {
        try value(column).isNull
    }

    func integer(_ column: Int) throws -> Int64 {
        guard case .int64(let number) = try value(column).storage else {
            throw ArchiveError(.corrupt("a row holds no number where one must stand"))
        }
        return number
    }

    func text(_ column: Int) throws -> String {
        guard case .string(let text) = try value(column).storage else {
            throw ArchiveError(.corrupt("a row holds no text where some must stand"))
        }
        return text
    }

    func blob(_ column: Int) throws -> Data {
        switch try value(column).storage {
        case .blob(let data): return data
        default: throw ArchiveError(.corrupt("a row holds no bytes where some must stand"))
        }
    }

    func revision(_ column: Int) throws -> Revision {
        let number = try integer(column)
        guard number >= 0 else { throw ArchiveError(.corrupt("a revision is negative")) }
        return Revision(number)
    }

    func time(_ column: Int) throws -> Timestamp {
        Timestamp(nanoseconds: try integer(column))
    }

    /// A column that may be NULL, read by one of the methods above.
    func optional<Value>(_ column: Int, _ read: (Int) throws -> Value) throws -> Value? {
        try isNull(column) ? nil : try read(column)
    }
}

extension Database {
    /// All rows of a small result.
    func rows(_ sql: String, _ arguments: StatementArguments = []) throws -> [StoredRow] {
        var result: [StoredRow] = []
        try forEachRow(sql, arguments) { result.append($0) }
        return result
    }

    /// The rows of a result, one at a time.
    func forEachRow(_ sql: String, _ arguments: StatementArguments = [], _ body: (StoredRow) throws -> Void) throws {
        let cursor = try Row.fetchCursor(try cachedStatement(sql: sql), arguments: arguments)
        while let row = try cursor.next() { try body(StoredRow(row)) }
    }

    /// The number that a query answers.
    func integer(_ sql: String, _ arguments: StatementArguments = []) throws -> Int64 {
        guard let row = try rows(sql, arguments).first else { throw ArchiveError(.corrupt("no row where one must be")) }
        return try row.integer(0)
    }
}

extension Revision {
    /// The revision as SQLite holds it; no server reaches 2^63.
    func stored() throws(ArchiveError) -> Int64 {
        guard let number = Int64(exactly: self) else {
            throw ArchiveError(.invalid("revision \(self) is beyond what an archive holds"))
        }
        return number
    }
}
