import Foundation
import GRDB
import KVModel
import Schedule

/// The work of one prune on one incarnation: decides what stays, writes it down, and counts what goes.
///
/// The entries that go are dropped by the compaction that follows: from here on they count for nothing.
struct Prune {
    private let incarnation: Incarnation
    private let db: Database
    private let checkpoint: StoredCheckpoint
    private let tags: [ArchiveTag]
    private var union = HeldRuns()
    private(set) var report: PruneReport.Bucket

    /// Nil if there is no proved point to prune to.
    init?(_ incarnation: Incarnation, policy: RetentionPolicy, timeZone: TimeZone, _ db: Database) throws {
        guard let checkpoint = try db.soundCheckpoint(incarnation) else { return nil }
        self.incarnation = incarnation
        self.checkpoint = checkpoint
        self.db = db
        tags = try db.tags(incarnation.id)
        report = PruneReport.Bucket(incarnation: incarnation)
        let names = Dictionary(grouping: tags, by: \.revision).mapValues { $0.map(\.name) }
        var points = try db.soundPoints(incarnation).map(\.point)
        guard let newest = points.last else { return nil }
        let known = Set(points.map(\.revision))
        for revision in names.keys where !known.contains(revision) && revision < newest.revision {
            // A name for a revision that was never proved is a point as of its last entry.
            points.append(ConsistentPoint(revision: revision, time: try db.scan(incarnation, at: revision).time))
        }
        points.sort { $0.revision < $1.revision }
        let asked = points.map {
            RetentionPolicy.Point(time: $0.time.nanoseconds, isTagged: names[$0.revision] != nil)
        }
        let reasons = policy.decide(asked, timeZone: timeZone)
        let within = zip(points, reasons).first { $0.1.contains(.within) }?.0.revision ?? newest.revision
        report.exactFrom = max(within, checkpoint.exactFrom)
        for (point, reasons) in zip(points, reasons) {
            var reasons = reasons
            // Between the first and the last point of a span that is kept whole, nothing goes.
            if point.revision >= report.exactFrom { reasons.insert(.within) }
            if point.revision == newest.revision { reasons.remove(.within) }
            if policy.within == nil, reasons.count > 1 { reasons.remove(.within) }
            let isNameOnly = !known.contains(point.revision) && reasons.isEmpty
            guard !isNameOnly else { continue }
            report.points.append(
                PruneReport.Point(point: point, tags: names[point.revision] ?? [], reasons: reasons)
            )
        }
        let kept = Set(report.points.filter(\.isKept).map(\.point.revision))
        report.droppedTags = tags.filter { $0.revision < report.exactFrom && !kept.contains($0.revision) }
    }

    /// Finds what stays, and writes it down if asked to.
    mutating func run(writes: Bool) throws {
        let before = checkpoint.exactFrom
        let kept = report.points.filter { $0.isKept && $0.point.revision <= report.exactFrom }.map(\.point)
        // The newest first: what is written down of a point may say another time of it, as its tag does, by which it is
        // reckoned when a configuration came into force that later points go by.
        for point in kept.reversed() where point.revision != before {
            try keep(point, writes: writes)
        }
        // From here on the old basis is not asked any more.
        if let point = kept.first(where: { $0.revision == before }) { try keep(point, writes: writes) }
        try count()
        guard writes else { return }
        for dropped in report.droppedPoints {
            try db.releaseHeld(at: dropped.point.revision, incarnation.id)
            try db.forget(dropped.point, incarnation)
        }
        for tag in report.droppedTags {
            try db.execute(
                sql: "DELETE FROM tag WHERE incarnation = ? AND name = ?",
                arguments: [incarnation.id.rawValue, tag.name]
            )
            try db.count(.tag, by: -db.changesCount, incarnation)
        }
        // What was written down and dropped has been counted there.
        guard var stored = try db.soundCheckpoint(incarnation) else { return }
        stored.exactFrom = report.exactFrom
        try db.save(&stored, incarnation)
    }

    private mutating func keep(_ point: ConsistentPoint, writes: Bool) throws {
        let isEnd = point.revision == report.exactFrom
        let isWritten = point.revision < checkpoint.exactFrom || isEnd && point.revision == checkpoint.exactFrom
        if isWritten, let stored = try db.soundPoint(incarnation, at: point.revision) {
            union = union.union(try db.held(stored, incarnation))
            return
        }
        // The last one is what later states go on from: nothing has expired yet there.
        let state = try db.scan(incarnation, at: point.revision, asOf: isEnd ? Timestamp(nanoseconds: .min) : nil)
        let (runs, entries) = try HeldRuns.runs(of: state.segments) { try db.columns(of: $0.row, incarnation) }
        union = union.union(runs)
        guard writes else { return }
        let time = isEnd ? point.time : state.time
        try db.hold(
            runs,
            entries: entries,
            at: ConsistentPoint(revision: point.revision, time: time),
            incarnation
        )
    }

    private mutating func count() throws {
        let rows = try db.segments(of: incarnation)
        let last = try db.lastRevision(rows, incarnation, through: report.exactFrom)
        var belonging = Belonging(union, exactFrom: report.exactFrom, last: last)
        for row in rows {
            let share = try db.share(row, incarnation, &belonging)
            report.entries += row.header.count
            report.bytes += row.header.rawSize
            report.droppedEntries += row.header.count - share.entries
            report.droppedBytes += row.header.rawSize - share.bytes
        }
    }
}

extension Database {
    /// Prunes incarnations, or only says what a prune would do.
    func prune(
        _ policy: RetentionPolicy,
        timeZone: TimeZone,
        of incarnations: [Incarnation],
        writes: Bool
    ) throws -> PruneReport {
        var report = PruneReport()
        for incarnation in incarnations {
            guard var prune = try Prune(incarnation, policy: policy, timeZone: timeZone, self) else { continue }
            try prune.run(writes: writes)
            report.buckets.append(prune.report)
        }
        return report
    }
}
