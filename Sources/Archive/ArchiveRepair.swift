import Foundation
import GRDB
public import KVModel

/// Saves what is intact of a damaged archive into a new one.
///
/// The damaged file is only read, page by page: neither its schema nor its trees need to be whole. A segment is saved if
/// its row and its blobs are what was written, whatever became of the others; the new archive chains them anew and
/// remembers which revisions are lost, so that no state which needs them is ever given out as whole. It gets its name
/// when it is whole: a repair that was killed leaves nothing that passes for one, and can be run again.
///
/// Fencing tokens are not saved: a daemon records its own when it first writes the new archive.
///
/// A row that cannot be read is damage, not an error: it is passed over (`try?`), and what it said shows in the report as
/// lost, or refused.
public struct ArchiveRepair {
    let salvage: Salvage
    private let target: String
    let acceptsLoss: Bool

    /// Saves `path` into a new archive at `target`.
    ///
    /// With `acceptsLoss` the new archive does not remember what is lost: it reads as if those revisions had never been.
    public static func run(
        path: String,
        to target: String,
        acceptsLoss: Bool = false,
        now: Timestamp? = nil,
        progress: ((_ page: Int, _ ofPages: Int) -> Void)? = nil
    ) throws -> RepairReport {
        guard !FileManager.default.fileExists(atPath: target) else { throw ArchiveError(.exists, path: target) }
        let lock = try WriterLock(archivePath: path, now: now ?? .wallClock())
        defer { lock.release() }
        let repair = Self(
            salvage: try Salvage(path: path, progress: progress),
            target: target,
            acceptsLoss: acceptsLoss
        )
        return try repair.run(at: now ?? .wallClock())
    }

    private func run(at now: Timestamp) throws -> RepairReport {
        let known = try incarnations()
        guard !known.isEmpty || !strays(beside: known).isEmpty else {
            throw ArchiveError(.notAnArchive, hint: "nothing of an archive was found in it")
        }
        try removePartial(at: now)
        defer { for suffix in ["", "-wal", "-shm"] { unlink(partial + suffix) } }
        let writer = try ArchiveWriter.open(path: partial, createIfMissing: true, now: now)
        do {
            let report = try save(known, writer, at: now)
            try writer.close()
            guard link(partial, target) == 0 else {
                let reason = errno
                guard reason == EEXIST else {
                    throw ArchiveError(.io("its name: \(String(cString: strerror(reason)))"), path: target)
                }
                throw ArchiveError(.exists, path: target)
            }
            return report
        } catch {
            do {
                try writer.close()
            } catch {
                // What failed first is what counts, and is thrown; the file goes anyway.
            }
            throw error
        }
    }

    /// Where the new archive is until it is whole: a half-made one must not pass for a repaired one.
    private var partial: String { target + ".part" }

    /// Removes what a repair that was killed has left; under the lock, because another may be at work.
    private func removePartial(at now: Timestamp) throws {
        let lock = try WriterLock(archivePath: partial, now: now)
        defer { lock.release() }
        for suffix in ["", "-wal", "-shm"] { unlink(partial + suffix) }
    }

    private func save(
        _ known: [Incarnation],
        _ writer: ArchiveWriter,
        at now: Timestamp
    ) throws -> RepairReport {
        try writer.write { try self.saveDataKeys($0) }
        var report = RepairReport()
        var strays = strays(beside: known)
        for incarnation in known {
            report.buckets.append(try save(incarnation, isNameLost: false, &strays, writer))
        }
        for id in Set(strays.map(\.incarnation)).sorted() {
            // Names are made up for those of which only segments are left.
            let incarnation = Incarnation(
                id: IncarnationID(rawValue: id),
                cluster: "unknown",
                bucket: try BucketName("recovered-\(id.magnitude)"),
                created: "1970-01-01T00:00:00Z"
            )
            report.buckets.append(try save(incarnation, isNameLost: true, &strays, writer))
        }
        try writer.write { try self.saveRuns($0) }
        try writer.audited("repair", now: now) { note in
            note.entries = report.buckets.reduce(0) { $0 + $1.entries }
        }
        return report
    }

    /// The incarnations by number.
    private func incarnations() throws -> [Incarnation] {
        var found: [Int64: Incarnation] = [:]
        for row in salvage.rows(of: "incarnation", Incarnation.columns) {
            guard let incarnation = try? Incarnation(row),
                isProved(incarnation) || found[incarnation.id.rawValue] == nil
            else { continue }
            found[incarnation.id.rawValue] = incarnation
        }
        // Of the two rows of an incarnation one may have another number by damage: nothing proves that one.
        for (id, incarnation) in found where !isProved(incarnation) {
            let isSecond = found.values.contains { other in
                other.id.rawValue != id && other.cluster == incarnation.cluster && other.bucket == incarnation.bucket
                    && other.created == incarnation.created && (isProved(other) || other.id.rawValue < id)
            }
            if isSecond { found[id] = nil }
        }
        return found.values.sorted { $0.id.rawValue < $1.id.rawValue }
    }

    /// The segments whose rows name none of the incarnations that were found: its own row is lost, or that number in
    /// theirs is damaged.
    private func strays(beside known: [Incarnation]) -> [(incarnation: Int64, row: SegmentRow)] {
        let names = Set(known.map(\.id.rawValue))
        return salvage.rows(of: "segment", "incarnation, " + SegmentRow.columns).compactMap { stored in
            // A number that cannot be read is none of theirs either.
            let id = (try? stored.integer(0)) ?? 0
            guard !names.contains(id) else { return nil }
            return segmentRow(stored.dropping(1)).map { (id, $0) }
        }
    }

    private func segmentRow(_ stored: StoredRow) -> SegmentRow? {
        (try? SegmentRow(stored, previous: [])).map(salvage.sized)
    }

    /// Whether a digest of the incarnation's root says that its names are what was written.
    private func isProved(_ incarnation: Incarnation) -> Bool {
        checkpoint(incarnation) != nil
    }

    private func checkpoint(_ incarnation: Incarnation) -> StoredCheckpoint? {
        for areLoose in [false, true] {
            let newest = of(incarnation, "checkpoint", StoredCheckpoint.columns, areLoose: areLoose)
                .compactMap { try? StoredCheckpoint($0) }
                .filter { $0.digest == $0.expectedDigest(incarnation) }
                .max { ($0.checkpoint.updated, $0.segments) < ($1.checkpoint.updated, $1.segments) }
            if let newest { return newest }
        }
        return nil
    }

    func of(
        _ incarnation: Incarnation,
        _ table: String,
        _ columns: String,
        areLoose: Bool? = nil
    ) -> [StoredRow] {
        salvage.rows(of: table, "incarnation, " + columns, areLoose: areLoose)
            .filter { (try? $0.integer(0)) == incarnation.id.rawValue }
            .map { $0.dropping(1) }
    }

    private func save(
        _ incarnation: Incarnation,
        isNameLost: Bool,
        _ strays: inout [(incarnation: Int64, row: SegmentRow)],
        _ writer: ArchiveWriter
    ) throws -> RepairReport.Bucket {
        let checkpoint = checkpoint(incarnation)
        let points = points(incarnation, checkpoint)
        strays.removeAll { isNameLost && $0.incarnation == incarnation.id.rawValue }
        let foreign = Set(strays.map(\.row.digest))
        let rows = of(incarnation, "segment", SegmentRow.columns).compactMap(segmentRow) + strays.map(\.row)
        let found = try SalvagedBucket(
            incarnation,
            rows: rows,
            checkpoint: checkpoint,
            newestPoint: points.map(\.point.revision).max() ?? 0
        ) { row, voucher in
            guard salvage.hasData(row.parts), voucher == .chain || !foreign.contains(row.digest) else { return false }
            switch voucher {
            case .chain: return true
            // Without its key nothing tells of a sealed one which of its numbers are wrong, and with one it opens only if
            // none is.
            case .notEvenChain where row.seal != nil: return false
            case .nobody where row.seal != nil: return true
            case .nobody, .notEvenChain:
                // A row that nothing vouches for must at least say what its body does.
                guard let segment = try salvage.segment(row) else { return false }
                return (try? DecodedSegment(body: Data(segment.body)).header == row.header) ?? false
            }
        }
        let taken = Set(found.segments.map(\.digest))
        strays.removeAll { taken.contains($0.row.digest) }
        var report = RepairReport.Bucket(incarnation: incarnation)
        report.isNameLost = isNameLost
        report.lost = found.lost
        report.unknownAfter = found.unknownAfter
        try writer.write { db in
            try db.execute(
                sql: "INSERT INTO incarnation (\(Incarnation.columns)) VALUES (?, ?, ?, ?, ?)",
                arguments: [
                    incarnation.id.rawValue, incarnation.cluster, incarnation.bucket.rawValue, incarnation.created,
                    incarnation.filterText,
                ]
            )
            try db.copyIncarnation(incarnation.id)
        }
        var stored = StoredCheckpoint(
            checkpoint?.checkpoint
                ?? Checkpoint(
                    resumeRevision: found.segments.last?.header.lastRevision ?? 0,
                    updated: found.segments.last?.header.lastTime ?? Timestamp(nanoseconds: 0)
                ),
            segments: 0,
            head: SegmentDigest.root(incarnation),
            exactFrom: checkpoint?.exactFrom ?? points.filter { $0.rows > 0 }.map(\.point.revision).max() ?? 0,
            incarnation: incarnation
        )
        if checkpoint == nil, let point = points.map(\.point).max(by: { $0.revision < $1.revision }) {
            stored.checkpoint.resumeRevision = max(stored.checkpoint.resumeRevision, point.revision)
            stored.checkpoint.consistentRevision = point.revision
            stored.checkpoint.consistentTime = point.time
        }
        for row in found.segments {
            guard let segment = try salvage.segment(row) else { continue }
            try writer.write { try stored.append(segment, of: incarnation, $0) }
            report.segments += 1
            report.entries += row.header.count
        }
        try writer.write { db in
            try db.save(&stored, incarnation)
            try saveRecords(incarnation, stored, before: checkpoint?.records, points, db)
            if let checkpoint { report.lostRecords = try countLost(checkpoint.records, incarnation, db) }
            for range in report.lost where !acceptsLoss {
                try db.insert(
                    into: "lost",
                    "first_revision, last_revision",
                    [try range.lowerBound.stored().databaseValue, try range.upperBound.stored().databaseValue],
                    SegmentDigest.lost,
                    of: incarnation
                )
                try db.count(.lost, by: 1, incarnation)
            }
            for point in try db.points(incarnation.id).map(\.point) {
                let isKnown = try isAvailable(point.revision, incarnation, stored, report, db)
                if isKnown { report.provedPoints.append(point) } else { report.refusedPoints.append(point) }
            }
        }
        return report
    }

    private func isAvailable(
        _ revision: Revision,
        _ incarnation: Incarnation,
        _ checkpoint: StoredCheckpoint,
        _ report: RepairReport.Bucket,
        _ db: Database
    ) throws -> Bool {
        do {
            let basis = try db.basis(of: revision, incarnation, exactFrom: checkpoint.exactFrom)
            let misses = Set(report.lostRecords.map(\.kind))
            guard !misses.contains(.configuration), basis.isRecorded || misses.isDisjoint(with: [.removal, .point])
            else { return false }
            return !acceptsLoss || !misses.contains(.lost) && !report.lost.contains { $0.lowerBound <= revision }
        } catch let error as ArchiveError {
            switch error.code {
            // Without the key, what is sealed cannot vouch for a point that was pruned and then damaged.
            case .noSuchPoint, .corrupt, .encrypted: return false
            default: throw error
            }
        }
    }
}
