import Foundation
import GRDB

/// What tells an archive which of several daemons may write for a job: each that takes the job has a higher one.
///
/// A daemon may be stopped for minutes and go on as if nothing had been, while another has long taken its job over. Its
/// own clock tells it so, if it asks; the archive does not rely on that. A writer that was opened with a token records it,
/// and from then on nothing is taken of a lower one of the same scope.
public struct FencingToken: Sendable, Hashable {
    /// What it is given out for: tokens of different scopes have nothing to do with each other.
    public var scope: String
    /// When that which gives tokens out was made, in nanoseconds since 1970: made anew, it begins with 1 again.
    public var generation: Int64
    /// The number, higher for every later holder.
    public var value: UInt64

    /// A token of a scope.
    public init(scope: String, generation: Int64 = 0, value: UInt64) {
        self.scope = scope
        self.generation = generation
        self.value = value
    }

    /// Whether the other one, of the same scope, was given out later.
    func isBehind(_ other: FencingToken) -> Bool {
        (generation, value) < (other.generation, other.value)
    }
}

extension Database {
    private static let fenceLabel = "cistern fence 1\n"

    /// Throws `.fencedOff` if a higher token of the scope was recorded; records this one if it is the highest.
    func pass(_ token: FencingToken) throws {
        let recorded = try fences().first { $0.scope == token.scope }
        if let recorded, token.isBehind(recorded) {
            let old = token.generation == recorded.generation ? "" : " from an older bucket of leases"
            throw ArchiveError(
                .fencedOff("\(token.scope) stands at token \(recorded.value), this run has \(token.value)\(old)")
            )
        }
        guard recorded != token else { return }
        if recorded == nil { try makeFenceTable() }
        let values = [
            token.scope.databaseValue, token.generation.databaseValue, try token.value.stored().databaseValue,
        ]
        let digest = Data(SegmentDigest.row(Self.fenceLabel, [], values)).databaseValue
        try execute(
            sql: "INSERT OR REPLACE INTO fence (scope, generation, value, digest) VALUES (?, ?, ?, ?)",
            arguments: StatementArguments(values + [digest])
        )
    }

    /// The highest token of each scope.
    func fences() throws -> [FencingToken] {
        // An archive has the table only once a writer with a token has opened it.
        let tables = try integer("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'fence'")
        guard tables > 0 else { return [] }
        return try rows("SELECT scope, generation, value, digest FROM fence ORDER BY scope").map { row in
            try row.check(Self.fenceLabel, [], count: 3, "a fencing token")
            return FencingToken(scope: try row.text(0), generation: try row.integer(1), value: try row.revision(2))
        }
    }

    private func makeFenceTable() throws {
        try execute(
            sql: """
                CREATE TABLE IF NOT EXISTS fence (
                    scope TEXT PRIMARY KEY,
                    generation INTEGER NOT NULL,
                    value INTEGER NOT NULL,
                    digest BLOB NOT NULL
                ) STRICT
                """
        )
    }
}
