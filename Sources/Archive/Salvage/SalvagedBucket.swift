import KVModel

/// The segments of one incarnation that were found, in order, and which of them are neighbours in the old chain.
struct SalvagedBucket {
    private let root: [UInt8]
    private let byOrdinal: [Int64: [SegmentRow]]
    private(set) var segments: [SegmentRow] = []
    private(set) var lost: [ClosedRange<Revision>] = []
    private(set) var unknownAfter: Revision?

    /// Chooses among the rows that were found; a file may hold old ones too, of before a prune.
    init(
        _ incarnation: Incarnation,
        rows: [SegmentRow],
        checkpoint: StoredCheckpoint?,
        newestPoint: Revision,
        isIntact: (SegmentRow, _ isChained: Bool) throws -> Bool
    ) rethrows {
        root = SegmentDigest.root(incarnation)
        byOrdinal = Dictionary(grouping: rows, by: \.ordinal)
        // What the checkpoint closes comes first, then what is chained to anything, then the rest.
        var closed: [SegmentRow] = []
        var next = rows.first { $0.digest == checkpoint?.head }
        while let row = next {
            closed.append(row)
            next = predecessor(of: row)
        }
        let isClosed = Set(closed.map(\.digest))
        segments = try closed.reversed().filter { try isIntact($0, true) }
        let others = rows.filter { !isClosed.contains($0.digest) }
        for row in others.filter(isChained) + others.filter({ !isChained($0) }) {
            let header = row.header
            guard header.firstRevision <= header.lastRevision else { continue }
            let place = place(of: header.firstRevision)
            let isFree = place == segments.count || segments[place].header.firstRevision > header.lastRevision
            guard isFree, try isIntact(row, isChained(row)) else { continue }
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
        row.digest
            == SegmentDigest.chained(
                row.header,
                row.sizes,
                row.parts,
                row.seal,
                ordinal: row.ordinal,
                previous: previous
            )
    }

    private func predecessor(of row: SegmentRow) -> SegmentRow? {
        byOrdinal[row.ordinal - 1]?.first { follows(row, $0.digest) }
    }

    private func isChained(_ row: SegmentRow) -> Bool {
        row.ordinal == 0 ? follows(row, root) : predecessor(of: row) != nil
    }

    private mutating func findLosses(_ checkpoint: StoredCheckpoint?, newestPoint: Revision) {
        var last: Revision = 0
        var previous = root
        for row in segments {
            let first = row.header.firstRevision
            if !follows(row, previous), first > last + 1 { lost.append(last + 1...first - 1) }
            last = row.header.lastRevision
            previous = row.digest
        }
        if let checkpoint {
            let resume = checkpoint.checkpoint.resumeRevision
            if previous != checkpoint.head, resume > last { lost.append(last + 1...resume) }
        } else {
            if newestPoint > last { lost.append(last + 1...newestPoint) }
            unknownAfter = max(last, newestPoint)
        }
    }
}
