import Foundation
import GRDB
import KVModel

extension ArchiveRepair {
    /// Saves what is not segments: configurations, points and what they held, removals, tags, older losses.
    func saveRecords(
        _ incarnation: Incarnation,
        _ checkpoint: StoredCheckpoint,
        _ points: [StoredPoint],
        _ db: Database
    ) throws {
        let id = incarnation.id.rawValue
        var known: Set<[UInt8]> = []
        let configurations = of(incarnation, "configuration", "revision, time, json, digest").compactMap { row in
            try? StoredConfiguration(row)
        }
        for stored in configurations.sorted(by: { $0.record.revision < $1.record.revision })
        where stored.digest == StoredConfiguration.digest(stored.record, incarnation)
            && known.insert(stored.digest).inserted
        {
            try db.execute(
                sql: "INSERT INTO configuration (incarnation, revision, time, json, digest) VALUES (?, ?, ?, ?, ?)",
                arguments: [
                    id, try stored.record.revision.stored(), stored.record.time.nanoseconds, stored.record.json,
                    Data(stored.digest),
                ]
            )
        }
        for point in points { try db.save(point, incarnation.id) }
        for row in of(incarnation, "held", "point, ordinal, runs, digest")
        where points.contains(where: { (try? row.revision(0)) == $0.point.revision && $0.rows > 0 }) {
            try db.execute(
                sql: "INSERT OR IGNORE INTO held (incarnation, point, ordinal, runs, digest) VALUES (?, ?, ?, ?, ?)",
                arguments: [id, row[0], row[1], row[2], row[3]]
            )
        }
        try copy("lost", "first_revision, last_revision", SegmentDigest.lost, of: incarnation, db)
        try copy(
            "removal",
            RemovalRecord.columns,
            SegmentDigest.removal,
            of: incarnation,
            db
        )
        try copy("migration", "time, step, detail", SegmentDigest.migration, of: incarnation, db)
        try copy("tag", "name, revision, time, note, created", SegmentDigest.tag, of: incarnation, db)
        // What is written down of a point and is not whole is worth nothing; without it, the point is refused.
        for point in points where point.point.revision < checkpoint.exactFrom {
            do {
                _ = try db.held(point, incarnation)
            } catch let error as ArchiveError {
                guard case .corrupt = error.code else { throw error }
                try db.releaseHeld(at: point.point.revision, incarnation.id)
            }
        }
    }

    /// Saves the wrapped data keys of an encrypted archive; no key is needed for that.
    func saveDataKeys(_ db: Database) throws {
        let columns = "id, wrapping, salt, rounds, block_size, parallelism, wrapped, complete, digest"
        let tables = Database.dataKeyTables
        for row in tables.flatMap({ salvage.rows(of: $0, columns) }) {
            try db.execute(
                sql: "INSERT OR REPLACE INTO \(tables[0]) (\(columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                arguments: StatementArguments((0..<9).map { row[$0] })
            )
            do {
                guard let key = try db.dataKeys(in: tables[0]).first(where: { $0.id == (try? row.integer(0)) }) else {
                    continue
                }
                try db.save(key)
            } catch let error as ArchiveError {
                guard case .corrupt = error.code else { throw error }
            }
            // What is not whole goes; the copies of those that are bring them back.
            try db.execute(sql: "DELETE FROM \(tables[0])")
            try db.execute(sql: "INSERT INTO \(tables[0]) SELECT * FROM \(tables[1])")
        }
    }

    /// Saves the audit trail.
    func saveRuns(_ db: Database) throws {
        let columns = ArchiveRun.columns + ", digest"
        for row in salvage.rows(of: "run", columns) where row.isWritten(SegmentDigest.run, [], count: 11) {
            let known = try row.isNull(2) ? 1 : db.integer("SELECT count(*) FROM incarnation WHERE id = ?", [row[2]])
            guard known == 1 else { continue }
            try db.execute(
                sql: "INSERT OR IGNORE INTO run (\(columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                arguments: StatementArguments((0..<12).map { row[$0] })
            )
        }
    }

    /// Saves the rows of a table that are what was written, each once.
    private func copy(
        _ table: String,
        _ columns: String,
        _ label: String,
        of incarnation: Incarnation,
        _ db: Database
    ) throws {
        let count = columns.split(separator: ",").count
        let root = SegmentDigest.root(incarnation)
        var known: Set<[DatabaseValue]> = []
        for row in of(incarnation, table, columns + ", digest") {
            let values = (0..<count).map { row[$0] }
            guard row.isWritten(label, root, count: count), known.insert(values).inserted else { continue }
            try db.insert(into: table, columns, values, label, of: incarnation, orIgnore: true)
        }
    }
}
