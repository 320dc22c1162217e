import GRDB
public import KVModel

/// Revisions that were seen to be gone from the source without an entry saying so, or to be there although their time
/// was over: a server that looks for the expired once a second may be told to keep them before it has.
public struct RemovalRecord: Sendable, Hashable {
    /// The revisions.
    public let revisions: ClosedRange<Revision>
    /// The last revision at which they were known to be there; 0 if nothing is known of that.
    public let sinceRevision: Revision
    /// When that was known.
    public let sinceTime: Timestamp
    /// At which revision they were seen to be gone; 0 if they were not: they were there when last looked for.
    public let seenRevision: Revision
    /// When; 0 if they were not.
    public let seenTime: Timestamp

    static let columns = "first_revision, last_revision, since_revision, since_time, seen_revision, seen_time"

    /// Whether it says that they were there, and not that they are gone.
    var isSighting: Bool { seenRevision == 0 }

    /// Whether a point turned out not to be exact when this was seen.
    func disproves(_ point: ConsistentPoint) -> Bool {
        sinceRevision < point.revision && point.revision <= seenRevision && point.time < seenTime
    }
}

extension RemovalRecord {
    /// Reads a row of `columns`.
    init(_ row: StoredRow) throws {
        let first = try row.revision(0)
        let last = try row.revision(1)
        guard first <= last else { throw ArchiveError(.corrupt("a removal ends before it begins")) }
        self.init(
            revisions: first...last,
            sinceRevision: try row.revision(2),
            sinceTime: try row.time(3),
            seenRevision: try row.revision(4),
            seenTime: try row.time(5)
        )
    }
}

extension ArchiveReader {
    /// The removals recorded for an incarnation, by their first revision.
    public func removals(of id: IncarnationID) throws -> [RemovalRecord] {
        try read { try $0.removalRecords($0.incarnation(id)) }
    }
}

/// A consistent point, with what the bucket held there where that is written down.
struct PointRecord: Sendable {
    let point: ConsistentPoint
    var held = HeldRuns()
    /// The entries that `held` stands for.
    var entries: UInt64 = 0
}

/// What a prune and a repair left behind, as an export carries it.
struct BasisRecords: Sendable {
    /// States before this revision are known only at points.
    var exactFrom: Revision = 0
    var points: [ConsistentPoint] = []
    var lost: [ClosedRange<Revision>] = []
}

extension ArchiveReader {
    /// What tells which states can be known.
    func basisRecords(of id: IncarnationID, through revision: Revision) throws -> BasisRecords {
        try read { db in
            let incarnation = try db.incarnation(id)
            return BasisRecords(
                exactFrom: try db.soundCheckpoint(incarnation)?.exactFrom ?? 0,
                points: try db.soundPoints(incarnation, through: revision).map(\.point),
                lost: try db.lost(incarnation).filter { $0.lowerBound <= revision }
            )
        }
    }

    /// A point with what it held.
    func pointRecord(_ point: ConsistentPoint, of id: IncarnationID) throws -> PointRecord {
        try read { db in
            let incarnation = try db.incarnation(id)
            guard let stored = try db.soundPoint(incarnation, at: point.revision), stored.rows > 0 else {
                return PointRecord(point: point)
            }
            return PointRecord(
                point: point,
                held: try db.held(stored, incarnation),
                entries: UInt64(clamping: stored.entries)
            )
        }
    }
}

extension Database {
    /// The removals of an incarnation, by their first revision.
    func removalRecords(_ incarnation: Incarnation) throws -> [RemovalRecord] {
        let sql = """
            SELECT \(RemovalRecord.columns), digest, id FROM removal WHERE incarnation = ? ORDER BY first_revision, id
            """
        let root = SegmentDigest.root(incarnation)
        let rows = try rows(sql, [incarnation.id.rawValue])
        var least: Revision = 0
        let records = try rows.map { row in
            try row.check(SegmentDigest.removal, root, count: 6, "a removal of bucket \(incarnation.bucket)")
            let record = try RemovalRecord(row)
            guard record.revisions.lowerBound >= least else {
                throw ArchiveError(.corrupt("the index of removals is out of order"))
            }
            least = record.revisions.lowerBound
            return record
        }
        try checkComplete(.removal, rows.map { try $0.integer(7) }, incarnation)
        return records
    }

    /// Writes a removal's row; the caller counts it.
    func save(_ removal: RemovalRecord, _ incarnation: Incarnation) throws {
        try insert(
            into: "removal",
            RemovalRecord.columns,
            [
                try removal.revisions.lowerBound.stored().databaseValue,
                try removal.revisions.upperBound.stored().databaseValue,
                try removal.sinceRevision.stored().databaseValue, removal.sinceTime.nanoseconds.databaseValue,
                try removal.seenRevision.stored().databaseValue, removal.seenTime.nanoseconds.databaseValue,
            ],
            SegmentDigest.removal,
            of: incarnation
        )
    }
}
