import GRDB
public import KVModel

/// A step of a migration, written down before it was taken.
public struct MigrationRecord: Sendable, Hashable {
    /// When.
    public let time: Timestamp
    /// The step.
    public let step: String
    /// What the migration knows by then, as JSON.
    public let detail: String
}

extension ArchiveReader {
    /// The steps of all migrations of an incarnation, oldest first.
    public func migrationRecords(of id: IncarnationID) throws -> [MigrationRecord] {
        try read { try $0.migrationRecords($0.incarnation(id)) }
    }
}

extension ArchiveWriter {
    /// Writes a migration's step down; it is on the disk when this returns.
    public func recordMigration(_ id: IncarnationID, step: String, detail: String, at time: Timestamp) throws {
        try write { db in
            let incarnation = try db.incarnation(id)
            try db.insert(
                into: "migration",
                "time, step, detail",
                [time.nanoseconds.databaseValue, step.databaseValue, detail.databaseValue],
                SegmentDigest.migration,
                of: incarnation
            )
            try db.count(.migration, by: 1, incarnation)
        }
    }
}

extension Database {
    func migrationRecords(_ incarnation: Incarnation) throws -> [MigrationRecord] {
        let root = SegmentDigest.root(incarnation)
        let sql = "SELECT time, step, detail, digest, id FROM migration WHERE incarnation = ? ORDER BY id"
        let rows = try rows(sql, [incarnation.id.rawValue])
        let records = try rows.map { row in
            try row.check(SegmentDigest.migration, root, count: 3, "a migration's step of \(incarnation.bucket)")
            return MigrationRecord(time: try row.time(0), step: try row.text(1), detail: try row.text(2))
        }
        try checkComplete(.migration, rows.map { try $0.integer(4) }, incarnation)
        return records
    }
}
