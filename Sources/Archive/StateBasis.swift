import GRDB
import KVModel

/// What a state is found from.
///
/// Before a prune, all states are replayed from the entries. After one, the entries up to a revision are those that
/// the kept points held, and no others: the state at one of these points is what was written down of it, and later
/// states are replayed from what was left in the bucket at the last of them. States in between are not known any more.
enum StateBasis: Sendable {
    /// All entries, replayed.
    case everything
    /// What is written down up to a revision, and all entries after it, replayed.
    case replay(HeldRuns, through: Revision)
    /// What is written down of the revision, as of this time.
    case recorded(HeldRuns, Timestamp)

    /// Whether an entry counts; to be asked with ascending revisions.
    mutating func admits(ascending revision: Revision) -> Bool {
        switch self {
        case .everything: return true
        case .replay(var held, let last):
            guard revision <= last else { return true }
            let admits = held.contains(ascending: revision)
            self = .replay(held, through: last)
            return admits
        case .recorded(var held, let time):
            let admits = held.contains(ascending: revision)
            self = .recorded(held, time)
            return admits
        }
    }

    /// The revision at which it is written down what was held, and after which entries are replayed; 0 if none is.
    var replaysAfter: Revision {
        if case .replay(_, let last) = self { last } else { 0 }
    }

    var isRecorded: Bool {
        if case .recorded = self { true } else { false }
    }
}

extension Database {
    /// Throws `.noSuchPoint` if a prune has dropped what the state at a revision needs.
    func checkAvailable(_ revision: Revision, _ incarnation: Incarnation, exactFrom: Revision) throws {
        try checkNotLost(revision, incarnation, exactFrom: exactFrom)
        guard revision < exactFrom, try soundPoint(incarnation, at: revision) == nil else { return }
        let kept = try points(incarnation.id, through: exactFrom).map(\.point)
        let before = kept.last { $0.revision < revision }
        let after = kept.first { $0.revision > revision }
        let near = [before, after].compactMap { $0 }.map { "\($0.revision) (\($0.time))" }.joined(separator: " and ")
        throw ArchiveError(
            .noSuchPoint("a prune dropped revision \(revision) of bucket \(incarnation.bucket)"),
            hint: "the nearest points that were kept: \(near)"
        )
    }

    /// The revisions that a repair found lost, ascending.
    func lost(_ incarnation: Incarnation) throws -> [ClosedRange<Revision>] {
        let sql =
            "SELECT first_revision, last_revision, digest, id FROM lost WHERE incarnation = ? ORDER BY first_revision"
        let root = SegmentDigest.root(incarnation)
        let rows = try rows(sql, [incarnation.id.rawValue])
        let ranges = try rows.map { row in
            try row.check(SegmentDigest.lost, root, count: 2, "a lost range of bucket \(incarnation.bucket)")
            let (first, last) = (try row.revision(0), try row.revision(1))
            guard first <= last else { throw ArchiveError(.corrupt("a range of lost revisions ends before it begins")) }
            return first...last
        }
        try checkComplete(.lost, rows.map { try $0.integer(3) }, incarnation)
        return ranges
    }

    /// Throws `.noSuchPoint` if the state at a revision needs entries that damage took.
    private func checkNotLost(_ revision: Revision, _ incarnation: Incarnation, exactFrom: Revision) throws {
        let lost = try lost(incarnation).filter { $0.lowerBound <= revision }
        guard let first = lost.first else { return }
        // What is written down of a point tells whether anything of it is missing.
        if exactFrom > 0, revision < exactFrom || lost.allSatisfy({ $0.upperBound <= exactFrom }),
            let stored = try soundPoint(incarnation, at: min(revision, exactFrom)),
            try entries(of: held(stored, incarnation), incarnation) == stored.entries
        {
            return
        }
        let ranges = lost.prefix(3).map { "\($0.lowerBound) to \($0.upperBound)" }.joined(separator: ", ")
        let whole = first.lowerBound > 1 ? "states up to revision \(first.lowerBound - 1) are whole; " : ""
        throw ArchiveError(
            .noSuchPoint(
                "damage took revisions \(ranges)\(lost.count > 3 ? ", …" : "") of bucket \(incarnation.bucket), "
                    + "and what it held at revision \(revision) may need them"
            ),
            hint: whole + "`cistern repair --accept-loss` makes an archive that reads as if they had never been"
        )
    }

    /// How many archived entries are in runs.
    func entries(of runs: HeldRuns, _ incarnation: Incarnation) throws -> Int64 {
        var runs = runs
        var found: Int64 = 0
        for row in try segments(of: incarnation, through: runs.runs.last?.upperBound ?? 0) {
            let revisions = try columns(of: row, incarnation).revisions
            for revision in revisions where runs.contains(ascending: revision) { found += 1 }
        }
        return found
    }

    /// What the state at a revision is found from.
    func basis(of revision: Revision, _ incarnation: Incarnation, exactFrom: Revision) throws -> StateBasis {
        try checkAvailable(revision, incarnation, exactFrom: exactFrom)
        guard exactFrom > 0 else { return .everything }
        let point = min(revision, exactFrom)
        guard let stored = try soundPoint(incarnation, at: point) else {
            throw ArchiveError(
                .corrupt("the point at revision \(point), from which bucket \(incarnation.bucket) goes on, is missing")
            )
        }
        let held = try held(stored, incarnation)
        return revision < exactFrom
            ? .recorded(held, stored.point.time) : .replay(held, through: exactFrom)
    }
}
