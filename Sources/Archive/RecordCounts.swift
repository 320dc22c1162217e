import GRDB
import KVModel

/// What an archive records of a bucket beside its entries, each kind in a table of its own.
public enum RecordKind: String, Sendable, CaseIterable {
    /// A configuration that was observed.
    case configuration
    /// Revisions that were seen to be gone.
    case removal
    /// A revision at which the archive was proved to hold the bucket exactly.
    case point
    /// Revisions that an earlier repair found lost.
    case lost
    /// A name for a revision.
    case tag
    /// A step of a migration.
    case migration

    /// What messages call several of them.
    public var plural: String {
        switch self {
        case .configuration: "configurations"
        case .removal: "removals"
        case .point: "points"
        case .lost: "lost ranges"
        case .tag: "tags"
        case .migration: "steps of migrations"
        }
    }

    /// Whether a state may be another one without it.
    ///
    /// Of these an archive remembers that some are missing.
    public var matters: Bool { self != .tag && self != .migration }
}

/// How many records of each kind an incarnation has, under its checkpoint's digest.
///
/// Each record has a digest of its own; what is missed by that is one which a damaged page hides.
struct RecordCounts: Sendable, Equatable {
    static let columns = "configurations, removals, points, losses, tags, migrations"
    private var counts: [RecordKind: Int64] = [:]

    init() {}

    /// Reads the columns from one on.
    init(_ row: StoredRow, from column: Int) throws {
        for (index, kind) in RecordKind.allCases.enumerated() { counts[kind] = try row.integer(column + index) }
    }

    subscript(kind: RecordKind) -> Int64 {
        get { counts[kind] ?? 0 }
        set { counts[kind] = newValue }
    }

    /// In the order of `columns`.
    var numbers: [Int64] { RecordKind.allCases.map { self[$0] } }
}

extension Database {
    /// The records that are here; only for a first checkpoint, which nothing was ever built on.
    func recordCounts(_ id: IncarnationID) throws -> RecordCounts {
        var counts = RecordCounts()
        for kind in RecordKind.allCases {
            counts[kind] = try integer("SELECT count(*) FROM \(kind.rawValue) WHERE incarnation = ?", [id.rawValue])
        }
        return counts
    }

    /// Counts records that the same transaction added or took away; the first checkpoint counts those before it.
    func count(_ kind: RecordKind, by change: Int, _ incarnation: Incarnation) throws {
        guard change != 0, var stored = try soundCheckpoint(incarnation) else { return }
        stored.records[kind] &+= Int64(change)
        try save(&stored, incarnation)
    }

    /// Throws unless the rows with these numbers are all records of a kind.
    func checkComplete(_ kind: RecordKind, _ rows: some Sequence<Int64>, _ incarnation: Incarnation) throws {
        guard let stored = try soundCheckpoint(incarnation) else { return }
        let found = Int64(Set(rows).count)
        guard found != stored.records[kind] else { return }
        throw ArchiveError(
            .corrupt(
                "of \(stored.records[kind]) \(kind.plural) of bucket \(incarnation.bucket), \(found) are here"
            ),
            hint: """
                "cistern verify" shows all that is wrong; "cistern repair --accept-loss" makes an archive that reads as if \
                the missing ones had never been
                """
        )
    }
}
