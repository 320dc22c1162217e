import Foundation
import GRDB
import KVModel

/// What a compaction makes of an incarnation's segments: which neighbours become one, and which lose entries.
///
/// Planned from the first segment on, so that a rest that fills no segment lies where the next ones come.
struct Compaction: Sendable {
    /// Neighbours that become one segment, or none if no entry of them is left.
    struct Window: Sendable {
        var rows: [SegmentRow]
        /// Entries that stay.
        var entries = 0
        /// Bytes of these, before packing.
        var bytes = 0

        var droppedEntries: Int { rows.reduce(0) { $0 + $1.header.count } - entries }
        var droppedBytes: Int { rows.reduce(0) { $0 + $1.header.rawSize } - bytes }
    }

    /// What stays of a segment.
    struct Share: Sendable {
        let row: SegmentRow
        var entries: Int
        var bytes: Int

        var isWhole: Bool { entries == row.header.count }
    }

    private(set) var windows: [Window] = []
    private let limits: SegmentBuilder.Limits
    private var open: Window?
    private var isWorthwhile = false

    init(limits: SegmentBuilder.Limits) {
        self.limits = limits
    }

    /// Takes the next segment into account.
    mutating func add(_ share: Share) {
        let isLarge = share.bytes * 2 >= limits.rawBytes || share.entries * 2 >= limits.entries
        guard !share.isWhole || !isLarge else {
            close()
            return
        }
        if let window = open,
            window.bytes + share.bytes > limits.rawBytes || window.entries + share.entries > limits.entries
        {
            close()
        }
        var window = open ?? Window(rows: [])
        window.rows.append(share.row)
        window.entries += share.entries
        window.bytes += share.bytes
        open = window
        if !share.isWhole { isWorthwhile = true }
    }

    /// Ends the plan, or what was begun.
    mutating func close() {
        if let window = open, isWorthwhile || window.rows.count > 1 { windows.append(window) }
        open = nil
        isWorthwhile = false
    }
}

/// Which entries belong to the archive: after a prune, only those that a kept point holds, the last one before that,
/// and all later ones.
struct Belonging: Sendable {
    private var held: HeldRuns
    private let exactFrom: Revision
    private let last: Revision

    init(_ held: HeldRuns, exactFrom: Revision, last: Revision) {
        self.held = held
        self.exactFrom = exactFrom
        self.last = last
    }

    /// Whether all entries from a revision on belong.
    func isWhole(from revision: Revision) -> Bool { revision > exactFrom }

    /// Whether an entry belongs; to be asked with ascending revisions.
    mutating func contains(ascending revision: Revision) -> Bool {
        revision > exactFrom || revision == last || held.contains(ascending: revision)
    }
}

extension Database {
    /// Which entries of an incarnation belong to the archive.
    func belonging(_ incarnation: Incarnation, _ rows: [SegmentRow], exactFrom: Revision) throws -> Belonging {
        var held = HeldRuns()
        guard exactFrom > 0 else { return Belonging(held, exactFrom: 0, last: 0) }
        for stored in try soundPoints(incarnation, through: exactFrom) {
            held = held.union(try self.held(stored, incarnation))
        }
        return Belonging(held, exactFrom: exactFrom, last: try lastRevision(rows, incarnation, through: exactFrom))
    }

    /// The last archived revision up to another one; 0 if there is none.
    func lastRevision(_ rows: [SegmentRow], _ incarnation: Incarnation, through revision: Revision) throws -> Revision {
        guard let row = rows.last(where: { $0.header.firstRevision <= revision }) else { return 0 }
        return try columns(of: row, incarnation).revisions.last { $0 <= revision } ?? 0
    }

    /// What stays of a segment.
    func share(_ row: SegmentRow, _ incarnation: Incarnation, _ belonging: inout Belonging) throws -> Compaction.Share {
        var share = Compaction.Share(row: row, entries: row.header.count, bytes: row.header.rawSize)
        guard !belonging.isWhole(from: row.header.firstRevision) else { return share }
        let segment = try columns(of: row, incarnation)
        for index in 0..<segment.count where !belonging.contains(ascending: segment.revisions[index]) {
            share.entries -= 1
            share.bytes -= segment.size(of: index)
        }
        return share
    }

    /// Replaces neighbours, which begin where the first window does, by what they became, and chains all that follow.
    ///
    /// Answers false, and changes nothing, if the archive is not what the windows were planned on.
    func replace(
        _ windows: [(window: Compaction.Window, segment: EncodedSegment?)],
        of incarnation: Incarnation
    ) throws -> Bool {
        guard let first = windows.first?.window.rows.first, var checkpoint = try soundCheckpoint(incarnation) else {
            return false
        }
        let tail = try chain(of: incarnation, from: first.ordinal, after: first.previous, closedBy: checkpoint)
        var planned = windows.flatMap { $0.window.rows }[...]
        for row in tail where row.ordinal == planned.first?.ordinal {
            guard row.digest == planned.removeFirst().digest else { return false }
        }
        guard planned.isEmpty else { return false }
        for row in windows.flatMap({ $0.window.rows }) {
            try cachedStatement(sql: "DELETE FROM segment_data WHERE id = ?").execute(arguments: [row.data])
            try cachedStatement(sql: "DELETE FROM segment WHERE incarnation = ? AND ordinal = ?")
                .execute(arguments: [incarnation.id.rawValue, row.ordinal])
        }
        var head = first.previous
        var ordinal = first.ordinal
        var window = 0
        var index = 0
        while index < tail.count {
            if window < windows.count, tail[index].ordinal == windows[window].window.rows.first?.ordinal {
                if let plain = windows[window].segment {
                    let segment = try sealed(plain, of: incarnation)
                    head = SegmentDigest.chained(
                        segment.header,
                        segment.sizes,
                        segment.parts,
                        segment.seal,
                        ordinal: ordinal,
                        previous: head
                    )
                    try insert(segment, incarnation.id, ordinal: ordinal, digest: head)
                    ordinal += 1
                }
                index += windows[window].window.rows.count
                window += 1
                continue
            }
            let row = tail[index]
            head = SegmentDigest.chained(
                row.header,
                row.sizes,
                row.parts,
                row.seal,
                ordinal: ordinal,
                previous: head
            )
            try cachedStatement(sql: "UPDATE segment SET ordinal = ?, digest = ? WHERE incarnation = ? AND ordinal = ?")
                .execute(arguments: [ordinal, Data(head), incarnation.id.rawValue, row.ordinal])
            ordinal += 1
            index += 1
        }
        checkpoint.segments = ordinal
        checkpoint.head = head
        try save(&checkpoint, incarnation)
        return true
    }
}

extension DecodedSegment {
    /// Bytes of an entry's key, header block and value.
    func size(of index: Int) -> Int {
        let reference = Int(headerReferences[index])
        let header = reference == 0 ? 0 : headers.range(reference - 1).count
        return keys.range(Int(keyReferences[index])).count + header + Int(valueLengths[index])
    }
}
