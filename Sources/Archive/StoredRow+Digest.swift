import Foundation
import GRDB

/// Digests of rows of small tables, over their columns in order: so that no changed bit in them is taken for the truth.
extension SegmentDigest {
    /// The digest of a row: numbers count as eight bytes, texts as UTF-8, bytes as they are, NULL as nothing.
    static func row(_ label: String, _ root: [UInt8], _ values: [DatabaseValue]) -> [UInt8] {
        fields(
            label,
            [root]
                + values.map { value in
                    switch value.storage {
                    case .int64(let number):
                        var bytes: [UInt8] = []
                        bytes.appendBigEndian(UInt64(bitPattern: number))
                        return bytes
                    case .string(let text): return Array(text.utf8)
                    case .blob(let data): return Array(data)
                    case .null, .double: return []
                    }
                }
        )
    }

    static let tag = "cistern tag 1\n"
    static let removal = "cistern removal 1\n"
    static let migration = "cistern migration 1\n"
    static let lost = "cistern lost 1\n"
    static let run = "cistern run 1\n"
}

extension StoredRow {
    /// Throws unless the column after the first `count` is the digest of these.
    func check(_ label: String, _ root: [UInt8], count: Int, _ what: String) throws {
        guard isWritten(label, root, count: count) else {
            throw ArchiveError(.corrupt("\(what) is not what was written"))
        }
    }

    /// Whether the column after the first `count` is the digest of these.
    func isWritten(_ label: String, _ root: [UInt8], count: Int) -> Bool {
        let digest = SegmentDigest.row(label, root, (0..<count).map { self[$0] })
        return self[count] == Data(digest).databaseValue
    }
}

extension Database {
    /// Inserts a row of a small table with its digest; the columns are those after `incarnation`.
    func insert(
        into table: String,
        _ columns: String,
        _ values: [DatabaseValue],
        _ label: String,
        of incarnation: Incarnation,
        orIgnore: Bool = false
    ) throws {
        let places = Array(repeating: "?", count: values.count + 2).joined(separator: ", ")
        let digest = SegmentDigest.row(label, SegmentDigest.root(incarnation), values)
        try cachedStatement(
            sql:
                "INSERT \(orIgnore ? "OR IGNORE " : "")INTO \(table) (incarnation, \(columns), digest) VALUES (\(places))"
        ).execute(
            arguments: StatementArguments(
                [incarnation.id.rawValue.databaseValue] + values + [Data(digest).databaseValue]
            )
        )
    }

    /// Writes the digest of a run's row anew.
    func sealRun(_ id: Int64) throws {
        let columns = ArchiveRun.columns
        guard let row = try rows("SELECT \(columns) FROM run WHERE id = ?", [id]).first else {
            throw ArchiveError(.invalid("the end of a run that never began"))
        }
        let values = (0..<columns.split(separator: ",").count).map { row[$0] }
        try execute(
            sql: "UPDATE run SET digest = ? WHERE id = ?",
            arguments: [Data(SegmentDigest.row(SegmentDigest.run, [], values)), id]
        )
    }
}

extension ArchiveRun {
    /// The columns that a run's digest covers, in order.
    static let columns = """
        id, kind, incarnation, started, finished, from_revision, to_revision, entries, bytes, outcome, error
        """
}
