import Foundation
import KVModel

/// Revisions as ascending runs: every archived entry from a run's first to its last revision belongs to it.
///
/// This is how an archive remembers what a bucket held at a point, where the entries that would tell are gone.
struct HeldRuns: Sendable, Equatable {
    /// Runs of one row of the table; one more begins another row.
    static let perRow = 16_384
    private static let maximumBytes = perRow * 20

    private(set) var runs: [ClosedRange<Revision>] = []
    private var position = 0

    init(_ runs: [ClosedRange<Revision>] = []) {
        self.runs = runs
    }

    /// Adds a run after all others.
    mutating func append(_ run: ClosedRange<Revision>) {
        runs.append(run)
    }

    /// Whether a revision is in a run; to be asked with ascending revisions.
    mutating func contains(ascending revision: Revision) -> Bool {
        while position < runs.count, runs[position].upperBound < revision { position += 1 }
        return position < runs.count && runs[position].contains(revision)
    }

    /// The revisions that are in either.
    func union(_ other: HeldRuns) -> HeldRuns {
        var result: [ClosedRange<Revision>] = []
        result.reserveCapacity(max(runs.count, other.runs.count))
        var (left, right) = (0, 0)
        while left < runs.count || right < other.runs.count {
            let takesLeft =
                right == other.runs.count
                || left < runs.count && runs[left].lowerBound <= other.runs[right].lowerBound
            let next = takesLeft ? runs[left] : other.runs[right]
            if takesLeft { left += 1 } else { right += 1 }
            if let last = result.last, next.lowerBound <= last.upperBound {
                result[result.count - 1] = last.lowerBound...max(last.upperBound, next.upperBound)
            } else {
                result.append(next)
            }
        }
        return HeldRuns(result)
    }

    /// The runs of a state's entries; a run never spans an archived entry that the state does not hold.
    static func runs(
        of kept: [KeptSegment],
        columns: (KeptSegment) throws -> DecodedSegment
    ) rethrows -> (runs: HeldRuns, entries: Int) {
        var result: [ClosedRange<Revision>] = []
        var entries = 0
        var continues = false
        var ordinal: Int64 = -1
        for segment in kept {
            if segment.row.ordinal != ordinal + 1 { continues = false }
            ordinal = segment.row.ordinal
            let revisions = try columns(segment).revisions
            for index in revisions.indices {
                guard segment.contains(index) else {
                    continues = false
                    continue
                }
                entries += 1
                if continues, let last = result.last {
                    result[result.count - 1] = last.lowerBound...revisions[index]
                } else {
                    result.append(revisions[index]...revisions[index])
                }
                continues = true
            }
        }
        return (HeldRuns(result), entries)
    }

    /// Some of the runs as bytes: of each, the revisions since the last one's end, and how far it goes; varints.
    static func encode(_ runs: ArraySlice<ClosedRange<Revision>>, _ compressor: Compressor) throws -> [UInt8] {
        var plain: [UInt8] = []
        var previous: Revision = 0
        for run in runs {
            plain.appendVarint(run.lowerBound - previous)
            plain.appendVarint(run.upperBound - run.lowerBound)
            previous = run.upperBound
        }
        var bytes = [SegmentFormat.Coding.zstd.rawValue]
        bytes.appendVarint(UInt64(plain.count))
        if try plain.withUnsafeBytes({ try compressor.compress($0, into: &bytes) }) { return bytes }
        return [SegmentFormat.Coding.raw.rawValue] + plain
    }

    /// Adds the runs of a row.
    mutating func append(decoding data: Data) throws {
        try data.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            switch SegmentFormat.Coding(rawValue: try reader.byte()) {
            case .raw: try append(plain: bytes.part(1..<bytes.count))
            case .zstd:
                let size = try reader.count(limit: Self.maximumBytes, "the size of runs")
                let frame = bytes.part(reader.position..<bytes.count)
                try Decompressor.decompress(frame, count: size).withUnsafeBytes { try append(plain: $0) }
            case nil: throw SegmentDamage("runs of an unknown coding")
            }
        }
    }

    private mutating func append(plain: UnsafeRawBufferPointer) throws {
        var reader = ByteReader(plain)
        var previous: Revision = 0
        while !reader.isAtEnd {
            let first = try reader.varint().addingReportingOverflow(previous)
            let last = try reader.varint().addingReportingOverflow(first.partialValue)
            guard !first.overflow, !last.overflow, first.partialValue > (runs.last?.upperBound ?? 0),
                last.partialValue <= UInt64(Int64.max)
            else { throw SegmentDamage("runs that do not ascend") }
            runs.append(first.partialValue...last.partialValue)
            previous = last.partialValue
        }
    }
}
