import KVModel

/// The segments of one incarnation that were found, in order, and which of them are neighbours in the old chain.
struct SalvagedBucket {
    /// Who says of a row's numbers that they are what was written.
    enum Voucher {
        /// The chain of digests.
        case chain
        /// Nobody: what came before is gone.
        case nobody
        /// Nobody, though what came before is here: some of its numbers, or its place, are not what was written.
        case notEvenChain
    }

    private let root: [UInt8]
    private let byOrdinal: [Int64: [SegmentRow]]
    private let head: [UInt8]?
    /// Places in the chain beside a row that was found, of which no row was.
    private let gaps: Set<Int64>
    private(set) var segments: [SegmentRow] = []
    private(set) var lost: [ClosedRange<Revision>] = []
    private(set) var unknownAfter: Revision?

    /// Chooses among the rows that were found; a file may hold old ones too, of before a prune.
    init(
        _ incarnation: Incarnation,
        rows: [SegmentRow],
        checkpoint: StoredCheckpoint?,
        newestPoint: Revision,
        isIntact: (SegmentRow, _ voucher: Voucher) throws -> Bool
    ) rethrows {
        root = SegmentDigest.root(incarnation)
        byOrdinal = Dictionary(grouping: rows, by: \.ordinal)
        head = checkpoint?.head
        let ordinals = Set(rows.map(\.ordinal))
        let beside = Set(ordinals.map { $0 &- 1 }).union(ordinals.map { $0 &+ 1 }).union([0])
        gaps = beside.subtracting(ordinals).filter { $0 >= 0 }
        // What the checkpoint closes comes first, then what is chained to anything, then the rest. A chain is followed by
        // the digests that rows have; whether their numbers are what was written too, is asked of each.
        var closed: [SegmentRow] = []
        var next = rows.first { $0.digest == checkpoint?.head }
        while let row = next {
            closed.append(row)
            next = predecessor(of: row)
        }
        let isClosed = Set(closed.map(\.digest))
        segments = try closed.reversed().filter { try voucher(for: $0) == .chain && isIntact($0, .chain) }
        let rest = rows.filter { row in !isClosed.contains(row.digest) || voucher(for: row) != .chain }
        for row in rest.filter({ voucher(for: $0) == .chain }) + rest.filter({ voucher(for: $0) != .chain }) {
            let header = row.header
            guard header.firstRevision <= header.lastRevision else { continue }
            let place = place(of: header.firstRevision)
            let isFree = place == segments.count || segments[place].header.firstRevision > header.lastRevision
            guard isFree, try isIntact(row, voucher(for: row)) else { continue }
            segments.insert(row, at: place)
        }
        findLosses(checkpoint, newestPoint: newestPoint)
    }

    /// The first segment that does not end before a revision.
    private func place(of revision: Revision) -> Int {
        var low = 0
        var high = segments.count
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].header.lastRevision < revision { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func follows(_ row: SegmentRow, _ previous: [UInt8]) -> Bool {
        row.digest == chained(row, previous)
    }

    private func chained(_ row: SegmentRow, _ previous: [UInt8], at ordinal: Int64? = nil) -> [UInt8] {
        SegmentDigest.chained(
            row.header,
            row.sizes,
            row.parts,
            row.seal,
            ordinal: ordinal ?? row.ordinal,
            previous: previous
        )
    }

    private func predecessor(of row: SegmentRow) -> SegmentRow? {
        byOrdinal[row.ordinal &- 1]?.first { follows(row, $0.digest) }
    }

    /// Who says of a row's numbers that they are what was written.
    ///
    /// Its own digest does, if it follows what came before; if that digest is what was damaged, its successor does. If its
    /// place in the chain was damaged, that is one of those where a row is missing.
    private func voucher(for row: SegmentRow) -> Voucher {
        let before = digests(before: row.ordinal)
        let isInPlace = before.contains { digest(of: row, after: $0) != nil }
        if isInPlace || gaps.contains(where: { fits(row, $0, after: digests(before: $0)) }) { return .chain }
        return before.isEmpty ? .nobody : .notEvenChain
    }

    /// The digest that a row must have after a predecessor's, if its own or its successor says that it had it.
    private func digest(of row: SegmentRow, after previous: [UInt8]) -> [UInt8]? {
        let digest = chained(row, previous)
        let isFollowed = byOrdinal[row.ordinal &+ 1]?.contains { follows($0, digest) } ?? false
        return digest == row.digest || digest == head || isFollowed ? digest : nil
    }

    /// Whether a row's digest says that its place is this one, whatever its ordinal, after one of some digests.
    private func fits(_ row: SegmentRow, _ ordinal: Int64, after previous: [[UInt8]]) -> Bool {
        previous.contains { row.digest == chained(row, $0, at: ordinal) }
    }

    private func isElsewhere(_ row: SegmentRow, after previous: [[UInt8]]) -> Bool {
        gaps.contains { fits(row, $0, after: previous) }
    }

    /// The digests that a row of an ordinal may follow: those of the rows before it, as stored and as they should be.
    private func digests(before ordinal: Int64) -> [[UInt8]] {
        guard ordinal > 0 else { return [root] }
        let rows = byOrdinal[ordinal - 1] ?? []
        let previous = ordinal == 1 ? [root] : (byOrdinal[ordinal - 2] ?? []).map(\.digest)
        return rows.map(\.digest) + rows.flatMap { row in previous.map { chained(row, $0) } }
    }

    private mutating func findLosses(_ checkpoint: StoredCheckpoint?, newestPoint: Revision) {
        var last: Revision = 0
        var previous = [root]
        for row in segments {
            let first = row.header.firstRevision
            let expected = previous.compactMap { digest(of: row, after: $0) }.first
            let isNext = expected != nil || isElsewhere(row, after: previous)
            if first > last + 1, !isNext { lost.append(last + 1...first - 1) }
            last = row.header.lastRevision
            previous = [row.digest] + (expected.map { [$0] } ?? [])
        }
        if let checkpoint {
            let resume = checkpoint.checkpoint.resumeRevision
            if !previous.contains(checkpoint.head), resume > last { lost.append(last + 1...resume) }
        } else {
            if newestPoint > last { lost.append(last + 1...newestPoint) }
            unknownAfter = max(last, newestPoint)
        }
    }
}
