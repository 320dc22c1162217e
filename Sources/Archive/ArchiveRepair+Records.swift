import Foundation
import GRDB
import KVModel

extension ArchiveRepair {
    /// Saves what is not segments: configurations, points and what they held, removals, tags, older losses.
    func saveRecords(
        _ incarnation: Incarnation,
        _ checkpoint: StoredCheckpoint,
        before: RecordCounts?,
        _ points: [StoredPoint],
        _ db: Database
    ) throws {
        let id = incarnation.id.rawValue
        var known: Set<[UInt8]> = []
        let configurations = of(incarnation, "configuration", StoredConfiguration.columns).compactMap { row in
            try? StoredConfiguration(row)
        }
        for stored in configurations.sorted(by: { ($0.record.revision, $0.id) < ($1.record.revision, $1.id) })
        where stored.digest == StoredConfiguration.digest(stored.record, incarnation)
            && known.insert(stored.digest).inserted
        {
            try db.save(stored.record, incarnation)
        }
        for point in points { try db.save(point, incarnation) }
        for row in of(incarnation, "held", "point, ordinal, runs, digest")
        where points.contains(where: { (try? row.revision(0)) == $0.point.revision && $0.rows > 0 }) {
            try db.execute(
                sql: "INSERT OR IGNORE INTO held (incarnation, point, ordinal, runs, digest) VALUES (?, ?, ?, ?, ?)",
                arguments: [id, row[0], row[1], row[2], row[3]]
            )
        }
        try copy(.lost, "first_revision, last_revision", SegmentDigest.lost, of: incarnation, before, db)
        try copy(.removal, RemovalRecord.columns, SegmentDigest.removal, of: incarnation, before, db)
        try copy(.migration, "time, step, detail", SegmentDigest.migration, of: incarnation, before, db)
        try copy(.tag, "name, revision, time, note, created", SegmentDigest.tag, of: incarnation, before, db)
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

    /// The points that are what was written.
    ///
    /// Points are dropped now and then: one that no page lists any more counts only if one is missing, and only if
    /// nothing speaks against it.
    func points(_ incarnation: Incarnation, _ checkpoint: StoredCheckpoint?) -> [StoredPoint] {
        var found: [Revision: StoredPoint] = [:]
        let stored = [false, true].map { areLoose in
            of(incarnation, "point", StoredPoint.columns, areLoose: areLoose).compactMap { try? StoredPoint($0) }
                .filter { $0.digest == $0.expectedDigest(incarnation) }
        }
        for point in stored[0] { found[point.point.revision] = point }
        if found.count < checkpoint?.records[.point] ?? .max {
            let removals = of(incarnation, "removal", RemovalRecord.columns).compactMap { try? RemovalRecord($0) }
            let exactFrom = checkpoint?.exactFrom ?? stored[0].filter { $0.rows > 0 }.map(\.point.revision).max() ?? 0
            for point in stored[1] {
                let (revision, time) = (point.point.revision, point.point.time)
                // As it was before a prune, it would pass for one at which the bucket was empty.
                guard revision > exactFrom || point.rows > 0 else { continue }
                // What a prune wrote down stays, whatever is seen later.
                guard point.rows > 0 || !removals.contains(where: { $0.disproves(point.point) }) else { continue }
                guard found[revision].map({ $0.point.time < time }) ?? true else { continue }
                found[revision] = point
            }
        }
        return found.values.sorted { $0.point.revision < $1.point.revision }
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
        // Of a run that a page lists no more, what was written at its end comes first.
        let rows =
            salvage.rows(of: "run", columns, areLoose: false)
            + salvage.rows(of: "run", columns, areLoose: true).sorted { !$0[4].isNull && $1[4].isNull }
        for row in rows where row.isWritten(SegmentDigest.run, [], count: 11) {
            let known = try row.isNull(2) ? 1 : db.integer("SELECT count(*) FROM incarnation WHERE id = ?", [row[2]])
            guard known == 1 else { continue }
            try db.execute(
                sql: "INSERT OR IGNORE INTO run (\(columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                arguments: StatementArguments((0..<12).map { row[$0] })
            )
        }
    }

    /// What is missing of the records that the old checkpoint counts.
    ///
    /// Unless the loss is accepted, the new archive goes on counting those that matter: what needs them is refused.
    func countLost(
        _ before: RecordCounts,
        _ incarnation: Incarnation,
        _ db: Database
    ) throws -> [RepairReport.LostRecords] {
        guard let saved = try db.soundCheckpoint(incarnation)?.records else { return [] }
        return try RecordKind.allCases.compactMap { kind in
            let (missing, overflow) = before[kind].subtractingReportingOverflow(saved[kind])
            guard !overflow, missing > 0 else { return nil }
            if !acceptsLoss, kind.matters { try db.count(kind, by: Int(missing), incarnation) }
            return RepairReport.LostRecords(kind: kind, count: Int(missing))
        }
    }

    /// Saves the records of a kind that are what was written, each once.
    private func copy(
        _ kind: RecordKind,
        _ columns: String,
        _ label: String,
        of incarnation: Incarnation,
        _ before: RecordCounts?,
        _ db: Database
    ) throws {
        let count = columns.split(separator: ",").count
        let root = SegmentDigest.root(incarnation)
        let listed = of(incarnation, kind.rawValue, columns + ", digest", areLoose: false)
            .filter { $0.isWritten(label, root, count: count) }
        // What no page lists any more may have been dropped: it counts only if something is missing.
        let isWhole = before.map { listed.count >= $0[kind] } ?? false
        let loose = isWhole ? [] : of(incarnation, kind.rawValue, columns + ", digest", areLoose: true)
        var known: Set<[DatabaseValue]> = []
        var saved = 0
        for row in listed + loose {
            let values = (0..<count).map { row[$0] }
            guard row.isWritten(label, root, count: count), known.insert(values).inserted else { continue }
            try db.insert(into: kind.rawValue, columns, values, label, of: incarnation, orIgnore: true)
            saved += db.changesCount
        }
        try db.count(kind, by: saved, incarnation)
    }
}
