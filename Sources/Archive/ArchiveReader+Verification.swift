import Foundation
import GRDB
import KVModel

extension ArchiveReader {
    /// Checks all that the archive holds, and lists every problem; a damaged archive is a report, not an error.
    ///
    /// SQLite's integrity check; of each incarnation the chain of digests, the order of segments and revisions, that
    /// every column and value unpacks and agrees with the segment's row and key filter, and that the checkpoint and the
    /// configurations agree with their digests and with the segments. Throws only if the archive cannot be read at all.
    ///
    /// `shouldStop` is asked after each segment; if it says so, `CancellationError` is thrown.
    public func verify(
        progress: ((VerificationReport.Progress) -> Void)? = nil,
        shouldStop: @escaping () -> Bool = { false }
    ) throws -> VerificationReport {
        var finished: VerificationReport?
        do {
            try read { db in
                var verification = Verification(keyRing: keyRing, shouldStop: shouldStop, progress: progress)
                verification.run(db)
                if verification.isStopped { throw CancellationError() }
                finished = verification.report
            }
        } catch let error as CancellationError {
            throw error
        } catch {
            // A transaction that met a damaged page ends with an error of its own; the report says it better.
            guard let finished, !finished.isSound else { throw error }
            return finished
        }
        guard let finished else { throw ArchiveError(.io("the archive was not read"), path: path) }
        return finished
    }
}

/// The work of one verification.
private struct Verification {
    var report = VerificationReport()
    let keyRing: KeyRing
    let shouldStop: () -> Bool
    let progress: ((VerificationReport.Progress) -> Void)?
    private(set) var isStopped = false

    init(keyRing: KeyRing, shouldStop: @escaping () -> Bool, progress: ((VerificationReport.Progress) -> Void)?) {
        self.keyRing = keyRing
        self.shouldStop = shouldStop
        self.progress = progress
    }

    mutating func run(_ db: Database) {
        attempt { try Self.integrity(db) }
        attempt { try Self.strayRows(db) }
        attempt {
            _ = try db.runs()
            return []
        }
        attempt {
            _ = try db.fences()
            return []
        }
        attempt { try Self.seals(db) }
        attempt {
            _ = try db.incarnations()
            return []
        }
        attempt {
            let sql = "SELECT \(Incarnation.columns) FROM"
            let copies = try db.rows("\(sql) incarnation_copy ORDER BY id").map(Incarnation.init)
            return try copies == db.storedIncarnations() ? [] : ["the two tables of incarnations differ"]
        }
        guard let incarnations = value(nil, { try db.storedIncarnations() }) else { return }
        if let count = value(nil, { try db.integer("SELECT count(*) FROM segment") }) {
            report.checked.ofSegments = Int(count)
        }
        for incarnation in incarnations where !isStopped {
            report.incarnations += 1
            check(incarnation, db)
        }
    }

    private mutating func check(_ incarnation: Incarnation, _ db: Database) {
        let checkpoint = value(incarnation) { try db.checkpoint(incarnation.id) } ?? nil
        if let checkpoint, checkpoint.digest != checkpoint.expectedDigest(incarnation) {
            add("the checkpoint is not what was written", incarnation)
        }
        attempt(incarnation) {
            try db.storedConfigurations(incarnation.id).compactMap { stored in
                guard stored.digest == StoredConfiguration.digest(stored.record, incarnation) else {
                    return "the configuration of revision \(stored.record.revision) is not what was written"
                }
                _ = try RetainedEntries.Policy(json: stored.record.json)
                return nil
            }
        }
        attempt(incarnation) {
            let resume = checkpoint?.checkpoint.resumeRevision ?? 0
            return try db.tags(incarnation.id).filter { $0.revision > resume }.map { tag in
                "tag \"\(tag.name)\" names revision \(tag.revision), beyond what is archived"
            }
        }
        let lists: [() throws -> Void] = [
            { _ = try db.configurations(incarnation) }, { _ = try db.removalRecords(incarnation) },
            { _ = try db.migrationRecords(incarnation) }, { _ = try db.soundPoints(incarnation) },
        ]
        for list in lists {
            attempt(incarnation) {
                try list()
                return []
            }
        }
        attempt(incarnation) {
            try db.lost(incarnation).map { "revisions \($0.lowerBound) to \($0.upperBound) are lost" }
        }
        let end = checkSegments(of: incarnation, db)
        guard let checkpoint else {
            if end.segments > 0 { add("there are segments but no checkpoint", incarnation) }
            return
        }
        if checkpoint.segments != end.segments {
            add("the checkpoint counts \(checkpoint.segments) segments, there are \(end.segments)", incarnation)
        } else if checkpoint.head != end.digest {
            add("the checkpoint does not close the chain of segments", incarnation)
        }
        if checkpoint.checkpoint.resumeRevision < end.revision {
            add("the checkpoint lies before the last archived revision, \(end.revision)", incarnation)
        }
        checkPoints(of: incarnation, checkpoint, db)
        if let consistent = checkpoint.checkpoint.consistentRevision, consistent > checkpoint.checkpoint.resumeRevision
        {
            add("the consistent revision \(consistent) lies beyond the resume revision", incarnation)
        }
    }

    /// Points are what was written, and what is written down of them is in the archive.
    private mutating func checkPoints(of incarnation: Incarnation, _ checkpoint: StoredCheckpoint, _ db: Database) {
        guard let points = value(incarnation, { try db.points(incarnation.id) }) else { return }
        let hasKey = keyRing.key != nil
        for stored in points {
            attempt(incarnation) {
                let revision = stored.point.revision
                guard let sound = try db.soundPoint(incarnation, at: revision) else { return [] }
                guard revision <= checkpoint.checkpoint.consistentRevision ?? 0 else {
                    return ["the point at revision \(revision) lies beyond the newest consistent revision"]
                }
                guard revision <= checkpoint.exactFrom else { return [] }
                // Which revisions an encrypted segment holds is not known without the key.
                guard try hasKey || db.dataKeys().isEmpty else { return [] }
                let found = try db.entries(of: db.held(sound, incarnation), incarnation)
                guard found == sound.entries else {
                    return ["of \(sound.entries) entries held at the point of revision \(revision), \(found) are here"]
                }
                return []
            }
        }
        guard checkpoint.exactFrom > 0, !points.contains(where: { $0.point.revision == checkpoint.exactFrom }) else {
            return
        }
        add("the point at revision \(checkpoint.exactFrom), from which the bucket goes on, is missing", incarnation)
    }

    /// Where a chain ends.
    private struct ChainEnd {
        var segments: Int64 = 0
        var revision: Revision = 0
        var digest: [UInt8]
    }

    private mutating func checkSegments(of incarnation: Incarnation, _ db: Database) -> ChainEnd {
        var end = ChainEnd(digest: SegmentDigest.root(incarnation))
        let sql = "SELECT ordinal FROM segment WHERE incarnation = ? ORDER BY ordinal"
        guard
            let ordinals = value(incarnation, { try db.rows(sql, [incarnation.id.rawValue]).map { try $0.integer(0) } })
        else { return end }
        for ordinal in ordinals {
            isStopped = isStopped || shouldStop()
            guard !isStopped else { break }
            guard (0..<Int64(Int32.max)).contains(ordinal) else {
                add("a segment has the impossible ordinal \(ordinal)", incarnation)
                continue
            }
            if ordinal != end.segments {
                add("segments \(end.segments) to \(ordinal - 1) are missing", incarnation)
                end.segments = ordinal
            }
            end.segments += 1
            var row: SegmentRow?
            do {
                let sql = "SELECT \(SegmentRow.columns) FROM segment WHERE incarnation = ? AND ordinal = ?"
                row = try db.rows(sql, [incarnation.id.rawValue, ordinal]).first
                    .map { try SegmentRow($0, previous: end.digest) }
                guard let row else { throw SegmentDamage("it cannot be read") }
                check(row, of: incarnation, after: end.revision, db)
                end.digest = row.digest
                end.revision = max(end.revision, row.header.lastRevision)
            } catch {
                add(Self.text(error), incarnation, ordinal: ordinal)
            }
            report.checked.segments += 1
            progress?(report.checked)
        }
        return end
    }

    private mutating func check(
        _ row: SegmentRow,
        of incarnation: Incarnation,
        after revision: Revision,
        _ db: Database
    ) {
        if row.header.firstRevision <= revision {
            add("it begins at or before revision \(revision), where its predecessor ends", incarnation, row)
        }
        do {
            do throws(SegmentDamage) { try row.check() } catch { add(error.description, incarnation, row) }
            let blobs = try db.unchecked(SegmentBlob.allCases, of: row)
            for (blob, data) in zip(SegmentBlob.allCases, blobs) {
                do throws(SegmentDamage) {
                    try row.parts.check(blob, data)
                } catch {
                    add(error.description, incarnation, row)
                }
            }
            guard row.seal == nil || keyRing.key != nil else {
                // The digests are those of the sealed bytes; more cannot be said without the key.
                report.unopenedSegments += 1
                return
            }
            let cipher = try db.cipher(of: row, incarnation)
            let segment = try DecodedSegment(body: try cipher.open(blobs[0], .body))
            let values = StoredValues(bytes: blobs[1], cipher: cipher)
            let keyFilter = try cipher.open(blobs[2], .keyFilter)
            if segment.header != row.header { add("its row does not agree with its body", incarnation, row) }
            if !values.areAll(of: segment) {
                add("it has bytes beyond its values", incarnation, row)
            }
            for block in segment.valueBlocks { _ = try segment.unpack(block, from: values) }
            try keyFilter.withUnsafeBytes { filter in
                for index in 0..<segment.keys.count {
                    guard try segment.keys.withString(index, { try KeyFilter.mayContain($0, in: filter) }) else {
                        throw SegmentDamage("its key filter misses a key")
                    }
                }
            }
            report.checked.entries += segment.count
            report.checked.bytes += segment.header.rawSize
        } catch {
            add(Self.text(error), incarnation, row)
        }
    }

    private static func integrity(_ db: Database) throws -> [String] {
        let lines = try db.rows("PRAGMA integrity_check").map { try $0.text(0) }
        return lines == ["ok"] ? [] : lines.map { "SQLite: \($0)" }
    }

    /// Segments that are not sealed as the table of data keys says.
    private static func seals(_ db: Database) throws -> [String] {
        let keys = try db.dataKeys()
        guard try Database.dataKeyTables.allSatisfy({ try db.dataKeys(in: $0) == keys }) else {
            return ["the two tables of data keys differ"]
        }
        let sql =
            "SELECT count(*) FROM segment WHERE data_key IS NOT NULL AND data_key NOT IN (SELECT id FROM data_key)"
        let orphans = try db.integer(sql)
        var lines = orphans == 0 ? [] : ["the data key of \(orphans) segments is missing"]
        if let last = keys.last, last.isComplete {
            let others = try db.integer("SELECT count(*) FROM segment WHERE data_key IS NOT ?", [last.id]) - orphans
            if others > 0 { lines.append("\(others) segments are not encrypted with the archive's data key") }
        }
        return lines
    }

    /// Rows that belong to no incarnation.
    private static func strayRows(_ db: Database) throws -> [String] {
        let strays = try [
            "configuration", "segment", "checkpoint", "point", "held", "lost", "removal", "migration", "tag",
        ]
        .compactMap {
            table in
            let sql = "SELECT count(*) FROM \(table) WHERE incarnation NOT IN (SELECT id FROM incarnation)"
            let count = try db.integer(sql)
            return count == 0 ? nil : "\(count) rows of table \(table) belong to no incarnation"
        }
        let orphans = try db.integer("SELECT count(*) FROM segment_data WHERE id NOT IN (SELECT data FROM segment)")
        return strays + (orphans == 0 ? [] : ["\(orphans) rows of table segment_data belong to no segment"])
    }

    private mutating func attempt(_ incarnation: Incarnation? = nil, _ body: () throws -> [String]) {
        do {
            for line in try body() { add(line, incarnation) }
        } catch {
            add(Self.text(error), incarnation)
        }
    }

    private mutating func value<Result>(_ incarnation: Incarnation?, _ body: () throws -> Result) -> Result? {
        do {
            return try body()
        } catch {
            add(Self.text(error), incarnation)
            return nil
        }
    }

    private mutating func add(_ detail: String, _ incarnation: Incarnation?, _ row: SegmentRow) {
        let first = row.header.firstRevision
        report.problems.append(
            VerificationReport.Problem(
                incarnation: incarnation,
                segment: Int(row.ordinal),
                revisions: first...max(first, row.header.lastRevision),
                detail: detail
            )
        )
    }

    private mutating func add(_ detail: String, _ incarnation: Incarnation?, ordinal: Int64? = nil) {
        let problem = VerificationReport.Problem(
            incarnation: incarnation,
            segment: ordinal.map { Int($0) },
            revisions: nil,
            detail: detail
        )
        // A checkpoint that is not what was written shows wherever something is counted.
        guard ordinal != nil || !report.problems.contains(problem) else { return }
        report.problems.append(problem)
    }

    private static func text(_ error: any Error) -> String {
        switch error {
        case let error as DatabaseError: return "SQLite: \(error.message ?? "code \(error.resultCode.rawValue)")"
        case let error as ArchiveError:
            if case .corrupt(let detail) = error.code { return detail }
            return "\(error)"
        default: return "\(error)"
        }
    }
}
