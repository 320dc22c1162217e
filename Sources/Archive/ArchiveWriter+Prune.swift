public import Foundation
import GRDB
public import KVModel
public import Schedule

extension ArchiveReader {
    /// What a prune would do: which points, names and entries would go.
    ///
    /// With a bucket, only that one is looked at.
    public func prunePlan(
        _ policy: RetentionPolicy,
        timeZone: TimeZone = .gmt,
        bucket: BucketName? = nil
    ) throws -> PruneReport {
        try read { db in
            let incarnations = try db.incarnations().filter { bucket == nil || $0.bucket == bucket }
            return try db.prune(policy, timeZone: timeZone, of: incarnations, writes: false)
        }
    }
}

extension ArchiveWriter {
    /// Drops what no point holds that the policy keeps, and gives the space back.
    ///
    /// The points that are kept stay exactly what they were, and everything after the newest one stays. It begins with
    /// one transaction, after which what goes counts for nothing; if it is stopped or killed after that, the next prune
    /// or compaction drops the rest.
    @discardableResult
    public func prune(
        _ policy: RetentionPolicy,
        timeZone: TimeZone = .gmt,
        bucket: BucketName? = nil,
        limits: SegmentBuilder.Limits = SegmentBuilder.Limits(),
        shouldStop: () -> Bool = { false },
        progress: ((CompactionProgress) -> Void)? = nil
    ) throws -> PruneReport {
        try prune(
            policy,
            timeZone: timeZone,
            limits: limits,
            of: { bucket == nil || $0.bucket == bucket },
            shouldStop: shouldStop,
            progress: progress
        )
    }

    /// The same, of the incarnations that are meant.
    ///
    /// Unless it `compacts`, only the first step is taken, and the file keeps its size until the next compaction.
    @discardableResult
    public func prune(
        _ policy: RetentionPolicy,
        timeZone: TimeZone = .gmt,
        compacts: Bool = true,
        limits: SegmentBuilder.Limits = SegmentBuilder.Limits(),
        of isMeant: (Incarnation) -> Bool,
        shouldStop: () -> Bool = { false },
        progress: ((CompactionProgress) -> Void)? = nil
    ) throws -> PruneReport {
        guard !policy.isEmpty else { throw ArchiveError(.invalid("a prune that is to keep nothing"), path: path) }
        var report = try write { db in
            try db.prune(policy, timeZone: timeZone, of: try db.incarnations().filter(isMeant), writes: true)
        }
        guard compacts else { return report }
        report.compaction = try compact(limits: limits, shouldStop: shouldStop, progress: progress)
        return report
    }
}
