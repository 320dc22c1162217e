import Foundation
import GRDB
public import KVModel

/// A revision at which the archive was proved to hold the bucket exactly.
public struct ConsistentPoint: Sendable, Hashable {
    /// The revision.
    public let revision: Revision
    /// When that was proved.
    public let time: Timestamp

    /// A point at a revision, proved at a time.
    public init(revision: Revision, time: Timestamp) {
        self.revision = revision
        self.time = time
    }
}

/// A point's row: the point, and where the entries it held are written down, if they are.
struct StoredPoint: Sendable {
    let point: ConsistentPoint
    /// Rows of `held`.
    var rows: Int64 = 0
    /// Entries that they stand for.
    var entries: Int64 = 0
    /// The digest of the last of them; empty if there is none.
    var head: [UInt8] = []
    /// The digest of the row.
    var digest: [UInt8] = []

    init(_ point: ConsistentPoint, rows: Int64 = 0, entries: Int64 = 0, head: [UInt8] = [], _ incarnation: Incarnation)
    {
        self.point = point
        self.rows = rows
        self.entries = entries
        self.head = head
        digest = expectedDigest(incarnation)
    }

    static let columns = "revision, time, held_rows, held_entries, head, digest"

    init(_ row: StoredRow) throws {
        point = ConsistentPoint(revision: try row.revision(0), time: try row.time(1))
        rows = try row.integer(2)
        entries = try row.integer(3)
        head = Array(try row.blob(4))
        digest = Array(try row.blob(5))
    }

    /// What `digest` must be.
    func expectedDigest(_ incarnation: Incarnation) -> [UInt8] {
        var numbers: [UInt8] = []
        numbers.appendBigEndian(point.revision)
        for number in [point.time.nanoseconds, rows, entries] { numbers.appendBigEndian(UInt64(bitPattern: number)) }
        return SegmentDigest.fields("cistern point 1\n", [SegmentDigest.root(incarnation), numbers, head])
    }
}

extension Database {
    /// The points of an incarnation, by revision, as they are; with an upper bound, those up to there.
    func points(_ id: IncarnationID, through revision: Revision = .max) throws -> [StoredPoint] {
        let sql = "SELECT \(StoredPoint.columns) FROM point WHERE incarnation = ? AND revision <= ? ORDER BY revision"
        return try rows(sql, [id.rawValue, Int64(clamping: revision)]).map { try StoredPoint($0) }
    }

    /// The points of an incarnation, by revision, each as it was written; all that there are unless `mayMiss` says that
    /// less will do.
    func soundPoints(
        _ incarnation: Incarnation,
        through revision: Revision = .max,
        mayMiss: Bool = false
    ) throws -> [StoredPoint] {
        // Without the index: what that one hides is found all the same.
        let sql = "SELECT \(StoredPoint.columns), id FROM point NOT INDEXED WHERE incarnation = ?"
        let rows = try rows(sql, [incarnation.id.rawValue])
        let points = try rows.map { try StoredPoint($0) }
        for stored in points where stored.digest != stored.expectedDigest(incarnation) {
            throw ArchiveError(.corrupt("a point of bucket \(incarnation.bucket) is not what was written"))
        }
        if !mayMiss { try checkComplete(.point, rows.map { try $0.integer(6) }, incarnation) }
        return points.filter { $0.point.revision <= revision }.sorted { $0.point.revision < $1.point.revision }
    }

    /// The point of a revision, if it is what was written.
    ///
    /// With `isProof`, that there is none is said only if no point is missing.
    func soundPoint(
        _ incarnation: Incarnation,
        at revision: Revision,
        isProof: Bool = false
    ) throws -> StoredPoint? {
        let sql = "SELECT \(StoredPoint.columns) FROM point WHERE incarnation = ? AND revision = ?"
        let row = try rows(sql, [incarnation.id.rawValue, Int64(clamping: revision)]).first
        guard let stored = try row.map({ try StoredPoint($0) }) else {
            // A point whose revision was damaged is found under another one: then its digest does not fit. One that the
            // index hides is found without it.
            let others = try soundPoints(incarnation, mayMiss: !isProof)
            guard !others.contains(where: { $0.point.revision == revision }) else {
                throw ArchiveError(.corrupt("the index of points does not have revision \(revision)"))
            }
            return nil
        }
        guard stored.digest == stored.expectedDigest(incarnation) else {
            throw ArchiveError(
                .corrupt("the point at revision \(revision) of bucket \(incarnation.bucket) is not what was written")
            )
        }
        return stored
    }

    /// Writes a point's row, in place of the one it had.
    func save(_ stored: StoredPoint, _ incarnation: Incarnation) throws {
        let id = incarnation.id
        let sql = "SELECT count(*) FROM point WHERE incarnation = ? AND revision = ?"
        let isNew = try integer(sql, [id.rawValue, try stored.point.revision.stored()]) == 0
        try cachedStatement(
            sql: """
                INSERT INTO point (incarnation, revision, time, held_rows, held_entries, head, digest)
                VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (incarnation, revision) DO UPDATE SET time = excluded.time,
                held_rows = excluded.held_rows, held_entries = excluded.held_entries, head = excluded.head,
                digest = excluded.digest
                """
        ).execute(arguments: [
            id.rawValue, try stored.point.revision.stored(), stored.point.time.nanoseconds, stored.rows,
            stored.entries, Data(stored.head), Data(stored.digest),
        ])
        if isNew { try count(.point, by: 1, incarnation) }
    }

    /// Removes a point's row.
    func forget(_ point: ConsistentPoint, _ incarnation: Incarnation) throws {
        try cachedStatement(sql: "DELETE FROM point WHERE incarnation = ? AND revision = ?")
            .execute(arguments: [incarnation.id.rawValue, try point.revision.stored()])
        try count(.point, by: -changesCount, incarnation)
    }

    /// The digest of a row of `held`, chained to the row before.
    private static func heldDigest(
        _ root: [UInt8],
        _ point: Revision,
        _ ordinal: Int64,
        _ runs: Data,
        previous: [UInt8]
    ) -> [UInt8] {
        var numbers: [UInt8] = []
        numbers.appendBigEndian(point)
        numbers.appendBigEndian(UInt64(bitPattern: ordinal))
        return SegmentDigest.fields("cistern held 1\n", [root, numbers, Array(runs), previous])
    }

    /// Writes down what a point held, and the point.
    func hold(_ held: HeldRuns, entries: Int, at point: ConsistentPoint, _ incarnation: Incarnation) throws {
        try releaseHeld(at: point.revision, incarnation.id)
        let compressor = try Compressor(level: 3)
        let root = SegmentDigest.root(incarnation)
        var head: [UInt8] = []
        var ordinal: Int64 = 0
        for start in stride(from: 0, to: held.runs.count, by: HeldRuns.perRow) {
            let part = held.runs[start..<min(held.runs.count, start + HeldRuns.perRow)]
            let runs = Data(try HeldRuns.encode(part, compressor))
            head = Self.heldDigest(root, point.revision, ordinal, runs, previous: head)
            try cachedStatement(
                sql: "INSERT INTO held (incarnation, point, ordinal, runs, digest) VALUES (?, ?, ?, ?, ?)"
            ).execute(arguments: [
                incarnation.id.rawValue, try point.revision.stored(), ordinal, runs, Data(head),
            ])
            ordinal += 1
        }
        try save(StoredPoint(point, rows: ordinal, entries: Int64(entries), head: head, incarnation), incarnation)
    }

    /// Forgets what a point held.
    func releaseHeld(at revision: Revision, _ id: IncarnationID) throws {
        try execute(
            sql: "DELETE FROM held WHERE incarnation = ? AND point = ?",
            arguments: [id.rawValue, try revision.stored()]
        )
    }

    /// What is written down of a point, checked.
    func held(_ stored: StoredPoint, _ incarnation: Incarnation) throws -> HeldRuns {
        let revision = stored.point.revision
        let damage = { (what: String) in
            ArchiveError(
                .corrupt("what bucket \(incarnation.bucket) held at the point of revision \(revision) \(what)")
            )
        }
        var held = HeldRuns()
        var head: [UInt8] = []
        var ordinal: Int64 = 0
        let root = SegmentDigest.root(incarnation)
        let sql = "SELECT ordinal, runs, digest FROM held WHERE incarnation = ? AND point = ? ORDER BY ordinal"
        try forEachRow(sql, [incarnation.id.rawValue, try revision.stored()]) { row in
            let runs = try row.blob(1)
            let digest = Self.heldDigest(root, revision, ordinal, runs, previous: head)
            guard try row.integer(0) == ordinal, Array(try row.blob(2)) == digest else {
                throw damage("is not what was written")
            }
            do {
                try held.append(decoding: runs)
            } catch let error as SegmentDamage {
                throw damage("cannot be read: \(error)")
            }
            head = digest
            ordinal += 1
        }
        guard ordinal == stored.rows, head == stored.head else { throw damage("is not complete") }
        return held
    }
}
