import Foundation
import GRDB
import KVModel

/// How densely an archive remembers consistent points: continuous capture proves one with every commit.
///
/// All points of the last hour, of the days before the last one of each minute, after a week the last one of each hour:
/// about 14,000 a bucket, and 8,760 more each year. Any revision can be restored whether a point is remembered or not;
/// the points are what a retention policy chooses from.
enum PointSpacing {
    /// After so many new points, the old ones are looked through.
    static let interval: Int64 = 256
    private static let second: Int64 = 1_000_000_000

    /// The points that need not be remembered, of points by revision; the newest one is not among them.
    static func superfluous(_ points: [ConsistentPoint]) -> [ConsistentPoint] {
        guard let newest = points.last?.time.nanoseconds else { return [] }
        return zip(points, points.dropFirst()).compactMap { point, next in
            let (age, overflow) = newest.subtractingReportingOverflow(point.time.nanoseconds)
            let isOld = overflow || age > 7 * 86_400 * second
            guard isOld || age > 3600 * second else { return nil }
            let period = (isOld ? 3600 : 60) * second
            return point.time.nanoseconds / period == next.time.nanoseconds / period ? point : nil
        }
    }
}

extension Database {
    /// Remembers a consistent point; one that says how a bucket went on after a prune keeps what it held.
    func record(_ point: ConsistentPoint, _ incarnation: Incarnation, _ checkpoint: StoredCheckpoint) throws {
        let present = try soundPoint(incarnation, at: point.revision)
        guard present?.point != point else { return }
        try save(
            StoredPoint(
                point,
                rows: present?.rows ?? 0,
                entries: present?.entries ?? 0,
                head: present?.head ?? [],
                incarnation
            ),
            incarnation
        )
        guard present == nil, lastInsertedRowID % PointSpacing.interval == 0 else { return }
        // What a prune kept is kept for a reason, and so is what has a name.
        let tagged = Set(try tags(incarnation.id).map(\.revision))
        let free = try points(incarnation.id).map(\.point).filter { $0.revision > checkpoint.exactFrom }
        for point in PointSpacing.superfluous(free) where !tagged.contains(point.revision) {
            try forget(point, incarnation)
        }
    }
}
