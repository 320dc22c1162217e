import Foundation
import GRDB

/// The data keys, in two tables that say the same: without them everything else is lost.
///
/// Both are empty in an archive that is not encrypted.
extension Database {
    static let dataKeyTables = ["data_key", "data_key_copy"]

    /// The data keys, oldest first, from a table that is whole.
    ///
    /// Throws `.corrupt` if neither is.
    func dataKeys() throws -> [WrappedDataKey] {
        do {
            return try dataKeys(in: Self.dataKeyTables[0])
        } catch let error where error is ArchiveError || error is DatabaseError {
            let copy = try dataKeys(in: Self.dataKeyTables[1])
            guard !copy.isEmpty else { throw error }
            return copy
        }
    }

    func dataKeys(in table: String) throws -> [WrappedDataKey] {
        let sql = """
            SELECT id, wrapping, salt, rounds, block_size, parallelism, wrapped, complete, digest FROM \(table)
            ORDER BY id
            """
        return try rows(sql).map { row in
            let damage = ArchiveError(.corrupt("the row of its data key is not what was written"))
            guard let kind = ArchiveKey.Kind(rawValue: try row.text(1)) else { throw damage }
            var cost: ScryptCost?
            if kind == .passphrase {
                let numbers = try (3...5).map { Int(try row.integer($0)) }
                let stated = ScryptCost(rounds: numbers[0], blockSize: numbers[1], parallelism: numbers[2])
                guard stated.isBounded else { throw damage }
                cost = stated
            }
            let key = WrappedDataKey(
                id: try row.integer(0),
                wrapping: KeyWrapping(kind: kind, salt: Array(try row.blob(2)), cost: cost),
                wrapped: Array(try row.blob(6)),
                isComplete: try row.integer(7) == 1
            )
            guard key.wrapped.count == WrappedDataKey.size, Array(try row.blob(8)) == key.digest else { throw damage }
            return key
        }
    }

    /// Writes a data key's row, in place of the one of its number if there is one.
    func save(_ key: WrappedDataKey) throws {
        for table in Self.dataKeyTables { try save(key, in: table) }
    }

    /// Forgets all data keys but one.
    func keepDataKey(_ id: Int64) throws {
        for table in Self.dataKeyTables {
            try execute(sql: "DELETE FROM \(table) WHERE id <> ?", arguments: [id])
        }
    }

    private func save(_ key: WrappedDataKey, in table: String) throws {
        let cost = key.wrapping.cost
        try execute(
            sql: """
                INSERT OR REPLACE INTO \(table)
                (id, wrapping, salt, rounds, block_size, parallelism, wrapped, complete, digest)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                key.id, key.wrapping.kind.rawValue, Data(key.wrapping.salt), cost?.rounds, cost?.blockSize,
                cost?.parallelism, Data(key.wrapped), key.isComplete ? 1 : 0, Data(key.digest),
            ]
        )
    }
}
