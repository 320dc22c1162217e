import Foundation
import GRDB
import KVModel

extension ArchiveReader {
    /// What a compaction of the archive would do, as far as the segments go.
    public func compactionPlan(limits: SegmentBuilder.Limits = SegmentBuilder.Limits()) throws -> CompactionReport {
        try read { db in
            var report = CompactionReport()
            report.sizeBefore = FileState.size(path)
            report.sizeAfter = report.sizeBefore
            report.freeBytes = try db.freeBytes()
            for incarnation in try db.incarnations() {
                report.buckets.append(try db.compaction(of: incarnation, limits).report)
            }
            return report
        }
    }
}

extension ArchiveWriter {
    /// Entries and packed bytes of one step: what is in memory, and what a step writes to the log.
    private static let stepBytes = 32 << 20

    /// Merges small neighbouring segments, drops what a prune left behind, and gives the space back.
    ///
    /// Nothing that can be asked for changes. Each step is one transaction: readers go on with what they see, other
    /// commits come in between, and after a crash the next compaction goes on. `shouldStop` is asked between steps.
    @discardableResult
    public func compact(
        limits: SegmentBuilder.Limits = SegmentBuilder.Limits(),
        shouldStop: () -> Bool = { false },
        progress: ((CompactionProgress) -> Void)? = nil
    ) throws -> CompactionReport {
        var report = CompactionReport()
        report.sizeBefore = FileState.size(path)
        report.freeBytes = try read { try $0.freeBytes() }
        let plans = try read { db in
            try db.incarnations().map { ($0, try db.compaction(of: $0, limits)) }
        }
        var state = CompactionProgress()
        state.ofSegments = plans.reduce(0) { $0 + $1.1.windows.reduce(0) { $0 + $1.rows.count } }
        for (incarnation, plan) in plans {
            report.buckets.append(plan.report)
            var left = plan.windows[...]
            // From the last window back, so that what has to be chained anew stays short.
            while !left.isEmpty, !shouldStop() {
                var step: [(window: Compaction.Window, segment: EncodedSegment?)] = []
                var bytes = 0
                while let window = left.last, step.isEmpty || bytes + window.bytes <= Self.stepBytes {
                    left.removeLast()
                    step.insert((window, try merged(window, of: incarnation, plan.belonging, limits)), at: 0)
                    bytes += window.bytes
                    state.segments += window.rows.count
                    state.entries += window.entries
                    state.bytes += window.bytes
                }
                guard try write({ try $0.replace(step, of: incarnation) }) else {
                    throw ArchiveError(.io("another compaction or prune changed the archive"), path: path)
                }
                progress?(state)
            }
        }
        report.awaitsReaders = try giveBackSpace(shouldStop: shouldStop)
        report.sizeAfter = FileState.size(path)
        return report
    }

    /// One segment of what stays of neighbours; nil if nothing does.
    private func merged(
        _ window: Compaction.Window,
        of incarnation: Incarnation,
        _ belonging: Belonging,
        _ limits: SegmentBuilder.Limits
    ) throws -> EncodedSegment? {
        guard window.entries > 0 else { return nil }
        let segments = try window.rows.map { row in try read { try $0.columnsAndValues(of: row, incarnation) } }
        // Large values, revisions of one document for the most part, are packed together anew.
        let bytes = segments.map(\.columns.valueBytes).reduce(into: (all: 0, large: 0)) { sum, part in
            sum.all += part.all
            sum.large += part.large
        }
        var builder = SegmentBuilder(limits: limits)
        var belonging = belonging
        for (row, segment) in zip(window.rows, segments) {
            let kept = segment.columns.revisions.map { belonging.contains(ascending: $0) }
            do {
                try builder.append(
                    segment.columns,
                    segment.values,
                    reusesBlocks: bytes.large * 2 <= bytes.all
                ) { kept[$0] }
            } catch let error as SegmentDamage {
                throw row.damage(incarnation, error).naming(path)
            }
        }
        return try builder.encode()
    }

    /// Shortens the file by the pages that hold nothing; answers whether a reader keeps the file from becoming shorter.
    private func giveBackSpace(shouldStop: () -> Bool) throws -> Bool {
        while try read({ try $0.integer("PRAGMA freelist_count") }) > 0, !shouldStop() {
            try write { _ = try $0.rows("PRAGMA incremental_vacuum(2048)") }
        }
        return try checkpointLog()
    }
}

extension Database {
    /// Bytes of pages that hold nothing.
    func freeBytes() throws -> Int {
        Int(try integer("PRAGMA freelist_count") * integer("PRAGMA page_size"))
    }

    /// What is to be done with an incarnation's segments.
    func compaction(
        of incarnation: Incarnation,
        _ limits: SegmentBuilder.Limits
    ) throws -> (windows: [Compaction.Window], belonging: Belonging, report: CompactionReport.Bucket) {
        let rows = try segments(of: incarnation)
        let exactFrom = try soundCheckpoint(incarnation)?.exactFrom ?? 0
        let belonging = try belonging(incarnation, rows, exactFrom: exactFrom)
        var plan = Compaction(limits: limits)
        var asked = belonging
        for row in rows { plan.add(try share(row, incarnation, &asked)) }
        plan.close()
        var report = CompactionReport.Bucket(incarnation: incarnation)
        report.segmentsBefore = rows.count
        report.segmentsAfter = rows.count
        for window in plan.windows {
            report.segmentsAfter -= window.rows.count - (window.entries > 0 ? 1 : 0)
            report.droppedEntries += window.droppedEntries
            report.droppedBytes += window.droppedBytes
        }
        return (plan.windows, belonging, report)
    }
}
