/// Sequences whose messages a snapshot's files still hold but its server did not any more.
public struct DeletedSequences: Sendable, Equatable {
    /// More separate runs than this are refused: 16 bytes of memory each.
    static let maximumRanges = 4 << 20

    private(set) var ranges: [ClosedRange<UInt64>] = []

    /// None.
    public init() {}

    /// Whether there are none.
    public var isEmpty: Bool { ranges.isEmpty }

    /// Whether a sequence is one of them.
    public func contains(_ sequence: UInt64) -> Bool {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < sequence { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].contains(sequence)
    }

    mutating func insert(_ range: ClosedRange<UInt64>) throws(StreamSnapshotError) {
        if let last = ranges.last, last.upperBound < .max, range.lowerBound == last.upperBound + 1 {
            ranges[ranges.count - 1] = last.lowerBound...range.upperBound
            return
        }
        guard ranges.count < Self.maximumRanges else {
            throw StreamSnapshotError(.tooLarge, at: "message blocks", "more than \(ranges.count) runs of deletions")
        }
        ranges.append(range)
    }

    mutating func formUnion(_ other: Self) throws(StreamSnapshotError) {
        for range in other.ranges { try insert(range) }
    }

    /// Puts what was inserted in any order into order; `contains` needs it.
    mutating func normalize() {
        ranges.sort { $0.lowerBound < $1.lowerBound }
        var merged: [ClosedRange<UInt64>] = []
        for range in ranges {
            if let last = merged.last, last.upperBound == .max || range.lowerBound <= last.upperBound + 1 {
                merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        ranges = merged
    }
}
