import Foundation
public import KVModel

/// Which of the archived entries a state counts.
public enum HistoryMode: String, Sendable, CaseIterable {
    /// What the bucket held.
    case bucket
    /// Every archived entry up to the point, whatever the bucket had dropped by then.
    case full
    /// Of each key the newest value, deleted keys left out.
    case latest
}

/// A point in an incarnation's history, as users say it.
public enum ArchivePoint: Sendable, Equatable {
    /// The newest consistent revision.
    case newest
    /// A revision.
    case revision(Revision)
    /// The last revision stored up to a time.
    case time(Timestamp)
    /// A tagged revision.
    case tag(String)
}

/// What a bucket held at a revision.
public struct BucketState: Sendable {
    /// The incarnation.
    public let incarnation: Incarnation
    /// The revision.
    public let revision: Revision
    /// As of when expiry was reckoned.
    public let time: Timestamp
    /// Sums over the entries.
    public let totals: StateTotals
    /// How many entries expired so shortly before `time` that a server may not have noticed yet: it looks about once a
    /// second.
    public let recentlyExpired: Int
    /// The configuration in force, the server's full JSON; nil if none was recorded.
    public let configuration: ConfigurationRecord?

    /// Whether a key may have more entries than the bucket's history setting: servers before 2.10 leave some behind.
    public let mayExceedHistory: Bool

    /// How many entries.
    public var entries: Int { totals.entries }
    /// How many entries have a header block.
    public var headedEntries: Int { totals.headedEntries }
    /// How many keys have a value: their newest entry is a put.
    public var keys: Int { totals.keys }
    /// Bytes of keys, header blocks and values.
    public var bytes: Int { totals.bytes }

    /// How long before `time` counts as shortly, in nanoseconds.
    public static let expiryLag: Int64 = 5_000_000_000

    let snapshot: ArchiveSnapshot
    let segments: [KeptSegment]

    init(_ scan: ScannedState, _ snapshot: ArchiveSnapshot) {
        incarnation = scan.incarnation
        revision = scan.revision
        time = scan.time
        totals = scan.totals
        recentlyExpired = scan.recentlyExpired
        mayExceedHistory = scan.mayExceedHistory
        configuration = scan.configuration
        segments = scan.segments
        self.snapshot = snapshot
    }

    /// Reads the entries after a revision, in revision order, one segment at a time.
    public func makeCursor(after revision: Revision = 0) -> StateCursor {
        StateCursor(state: self, after: revision)
    }
}

/// A state as it is found, before anybody reads its entries.
struct ScannedState: Sendable {
    let incarnation: Incarnation
    let revision: Revision
    let time: Timestamp
    var totals: StateTotals
    var recentlyExpired: Int
    let mayExceedHistory: Bool
    let configuration: ConfigurationRecord?
    var segments: [KeptSegment]

    /// Adds what was found of other keys at the same point.
    mutating func add(_ other: ScannedState) {
        totals.entries += other.totals.entries
        totals.headedEntries += other.totals.headedEntries
        totals.bytes += other.totals.bytes
        totals.keys += other.totals.keys
        recentlyExpired += other.recentlyExpired
        for index in segments.indices { segments[index].add(other.segments[index]) }
    }
}

/// A segment of which a state holds entries.
struct KeptSegment: Sendable {
    let row: SegmentRow
    /// One bit an entry.
    var bits: [UInt64]

    init(_ row: SegmentRow) {
        self.row = row
        bits = [UInt64](repeating: 0, count: (row.header.count + 63) / 64)
    }

    mutating func insert(_ index: Int) {
        bits[index >> 6] |= 1 << UInt64(index & 63)
    }

    mutating func remove(_ index: Int) {
        bits[index >> 6] &= ~(1 << UInt64(index & 63))
    }

    mutating func add(_ other: KeptSegment) {
        for index in bits.indices { bits[index] |= other.bits[index] }
    }

    func contains(_ index: Int) -> Bool {
        bits[index >> 6] & 1 << UInt64(index & 63) != 0
    }

    var isEmpty: Bool { bits.allSatisfy { $0 == 0 } }
}

/// Streams a state: one unpacked segment in memory at a time.
public struct StateCursor: Sendable {
    private let state: BucketState
    private let after: Revision
    private var position = 0

    init(state: BucketState, after: Revision) {
        self.state = state
        self.after = after
        while position < state.segments.count, state.segments[position].row.header.lastRevision <= after {
            position += 1
        }
    }

    /// The next segment's entries; nil after the last.
    ///
    /// A segment's columns are checked here, its values block by block before any entry of the block is given out.
    public mutating func next() throws -> DecodedRun? {
        guard position < state.segments.count else { return nil }
        defer { position += 1 }
        let kept = state.segments[position]
        return try state.snapshot.run(kept, of: state.incarnation, after: after)
    }
}

/// Some of the entries of one segment, in memory.
public struct DecodedRun: Sendable {
    private let incarnation: Incarnation
    private let path: String
    private let kept: KeptSegment
    private let after: Revision
    private let segment: DecodedSegment
    private let values: StoredValues
    /// The values of blocks that were unpacked already, by their number.
    private var unpacked: [Int: [UInt8]] = [:]

    init(
        _ kept: KeptSegment,
        _ segment: DecodedSegment,
        values: StoredValues,
        of incarnation: Incarnation,
        path: String,
        after: Revision
    ) {
        self.kept = kept
        self.segment = segment
        self.values = values
        self.incarnation = incarnation
        self.path = path
        self.after = after
    }

    /// Unpacks the values of all entries, for whoever reads them elsewhere.
    mutating func unpack() throws {
        for block in segment.valueBlocks where block.entries.contains(where: isWanted) {
            unpacked[block.number] = try values(of: block)
        }
    }

    private func values(of block: DecodedSegment.ValueBlock) throws -> [UInt8] {
        if let values = unpacked[block.number] { return values }
        do {
            return try segment.unpack(block, from: values)
        } catch let error as SegmentDamage {
            throw kept.row.damage(incarnation, error).naming(path)
        }
    }

    /// Calls `body` with each entry in revision order; values are unpacked a block at a time.
    public func forEachEntry(_ body: (EntryView) throws -> Void) throws {
        for block in segment.valueBlocks where block.entries.contains(where: isWanted) {
            try values(of: block).withUnsafeBytes { values in
                var offset = 0
                for index in block.entries {
                    let length = Int(segment.valueLengths[index])
                    if isWanted(index) {
                        try segment.withEntry(index, value: values.part(offset..<offset + length), body)
                    }
                    offset += length
                }
            }
        }
    }

    private func isWanted(_ index: Int) -> Bool {
        kept.contains(index) && segment.revisions[index] > after
    }
}

extension DecodedSegment {
    /// Calls `body` with a view of an entry.
    func withEntry<Result>(
        _ index: Int,
        value: UnsafeRawBufferPointer,
        _ body: (EntryView) throws -> Result
    ) rethrows -> Result {
        try keys.withString(Int(keyReferences[index])) { key in
            try withHeaders(index) { headers in
                try body(
                    EntryView(
                        revision: revisions[index],
                        time: Timestamp(nanoseconds: times[index]),
                        operation: operations[index],
                        key: key,
                        headers: headers,
                        value: value
                    )
                )
            }
        }
    }

    private func withHeaders<Result>(
        _ index: Int,
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        let reference = Int(headerReferences[index])
        guard reference > 0 else { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        return try headers.withString(reference - 1, body)
    }
}
