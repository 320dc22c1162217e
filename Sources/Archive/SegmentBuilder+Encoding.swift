import Crypto
import Foundation
import KVModel

extension SegmentBuilder {
    /// Packs the entries into a segment; pure computation, on any thread, without a database.
    ///
    /// Throws `.invalid` if the builder is empty.
    public consuming func encode() throws -> EncodedSegment {
        guard let firstRevision = revisions.first, let lastRevision = revisions.last,
            let firstTime = times.first, let lastTime = times.last
        else { throw ArchiveError(.invalid("a segment without entries")) }
        let compressor = try Compressor(level: limits.columnLevel)
        var columns = ColumnWriter(compressor: compressor)
        let order = keys.sortedOrder()
        try columns.write(.keys, Self.dictionary(keys, order: order))
        try columns.write(.keyReferences, references(order: order))
        try columns.write(.revisions, revisionColumn())
        try columns.write(.times, timeColumn())
        try columns.write(.operations, operations)
        try columns.write(.headerBlocks, Self.lengthsAndBytes(headers))
        var headerColumn: [UInt8] = []
        headerColumn.appendPlanes(headerReferences, width: [UInt8].planeWidth(limit: headers.count + 1))
        try columns.write(.headerReferences, headerColumn)
        var lengths: [UInt8] = []
        lengths.reserveCapacity(valueLengths.count * 2)
        for length in valueLengths { lengths.appendVarint(UInt64(length)) }
        try columns.write(.valueLengths, lengths)
        let packed = try packValues()
        try columns.write(.valueBlocks, packed.table)
        let filter = KeyFilter(keys, dropsEverything: dropsEverything)
        let body = columns.finish(entries: revisions.count, keys: keys.count, headers: headers.count)
        return EncodedSegment(
            header: SegmentHeader(
                firstRevision: firstRevision,
                lastRevision: lastRevision,
                firstTime: Timestamp(nanoseconds: firstTime),
                lastTime: Timestamp(nanoseconds: lastTime),
                count: revisions.count,
                rawSize: rawBytes
            ),
            body: body,
            values: packed.bytes,
            valueBlocks: packed.sizes,
            keyFilter: filter.encoded
        )
    }

    /// Whether an entry drops all others: then the segment matters for every key.
    private var dropsEverything: Bool {
        headers.bytes.withUnsafeBytes { bytes in
            (0..<headers.count).contains { index in
                RetainedEntries.Rollup(headers: bytes.part(headers.range(index))) == .everything
            }
        }
    }

    /// The sorted keys: of each, how many bytes it shares with its predecessor, how many follow, and those.
    private static func dictionary(_ keys: ByteDictionary, order: [UInt32]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(keys.bytes.count / 2 + keys.count * 2)
        keys.bytes.withUnsafeBytes { bytes in
            var previous = UnsafeRawBufferPointer(start: nil, count: 0)
            for index in order {
                let key = bytes.part(keys.range(Int(index)))
                var shared = 0
                let most = Swift.min(key.count, previous.count)
                while shared < most, key[shared] == previous[shared] { shared += 1 }
                output.appendVarint(UInt64(shared))
                output.appendVarint(UInt64(key.count - shared))
                output.append(contentsOf: key.part(shared..<key.count))
                previous = key
            }
        }
        return output
    }

    private static func lengthsAndBytes(_ strings: ByteDictionary) -> [UInt8] {
        var output: [UInt8] = []
        for index in 0..<strings.count { output.appendVarint(UInt64(strings.range(index).count)) }
        output.append(contentsOf: strings.bytes)
        return output
    }

    private func references(order: [UInt32]) -> [UInt8] {
        var ranks = [UInt32](repeating: 0, count: order.count)
        for (rank, index) in order.enumerated() { ranks[Int(index)] = UInt32(truncatingIfNeeded: rank) }
        var output: [UInt8] = []
        output.appendPlanes(keyReferences.map { ranks[Int($0)] }, width: [UInt8].planeWidth(limit: keys.count))
        return output
    }

    private func revisionColumn() -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(revisions.count + 16)
        var previous: Revision = 0
        for revision in revisions {
            output.appendVarint(revision - previous - 1)
            previous = revision
        }
        return output
    }

    private func timeColumn() -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(times.count * 4 + 16)
        var previous: Int64 = 0
        for time in times {
            output.appendZigZag(time &- previous)
            previous = time
        }
        return output
    }

    /// Whole values in blocks, each compressed by itself, and the table that finds them.
    private func packValues() throws -> (bytes: [UInt8], sizes: [Int], table: [UInt8]) {
        // Revisions of a large value lie further apart than a small block reaches: they get one block, and a window to it.
        let isMostlyLarge = packedBlocks.isEmpty && largeBytes > values.count / 2
        let blockBytes = isMostlyLarge ? max(limits.valueBlockBytes, values.count) : limits.valueBlockBytes
        let compressor = try Compressor(level: limits.valueLevel, isLongDistance: isMostlyLarge)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(values.count / 2 + limits.valueBlockBytes)
        var table: [UInt8] = []
        var sizes: [Int] = []
        func add(_ entries: Int, _ size: Int, _ coding: SegmentFormat.Coding, from start: Int) {
            let stored = bytes.count - start
            table.appendVarint(UInt64(entries))
            table.appendVarint(UInt64(size))
            table.append(coding.rawValue)
            table.appendVarint(UInt64(stored))
            table.append(contentsOf: bytes.withUnsafeBytes { SHA256.hash(data: $0.part(start..<start + stored)) })
            sizes.append(stored)
        }
        var start = 0
        var first = 0
        var rest = packedBlocks[...]
        while first < valueLengths.count {
            if let block = rest.first, block.first == first {
                let stored = bytes.count
                bytes.append(contentsOf: block.bytes)
                add(block.entries, block.size, block.coding, from: stored)
                first += block.entries
                rest.removeFirst()
                continue
            }
            let end = rest.first?.first ?? valueLengths.count
            var next = first
            var size = 0
            while next < end, size < blockBytes {
                let length = Int(valueLengths[next])
                // A large value gets a block of its own.
                if size > 0, length >= blockBytes { break }
                size += length
                next += 1
            }
            let stored = bytes.count
            let coding = try Self.pack(values, start..<start + size, into: &bytes, with: compressor)
            add(next - first, size, coding, from: stored)
            start += size
            first = next
        }
        return (bytes, sizes, table)
    }

    private static func pack(
        _ source: [UInt8],
        _ range: Range<Int>,
        into output: inout [UInt8],
        with compressor: Compressor
    ) throws -> SegmentFormat.Coding {
        try source.withUnsafeBytes { bytes in
            let part = bytes.part(range)
            if try compressor.compress(part, into: &output) { return .zstd }
            output.append(contentsOf: part)
            return .raw
        }
    }
}

extension ByteDictionary {
    /// The numbers of the strings, sorted by their bytes.
    ///
    /// The strings are compared by eight bytes after what all of them share, and only where those are equal by the rest.
    func sortedOrder() -> [UInt32] {
        bytes.withUnsafeBytes { all in
            guard count > 1 else { return count == 0 ? [] : [0] }
            let first = all.part(range(0))
            var shared = first.count
            for index in 1..<count {
                let other = all.part(range(index))
                var same = 0
                let most = Swift.min(shared, other.count)
                while same < most, other[same] == first[same] { same += 1 }
                shared = same
            }
            var items: [(prefix: UInt64, index: UInt32)] = []
            items.reserveCapacity(count)
            for index in 0..<count {
                let range = range(index)
                var prefix: UInt64 = 0
                let start = range.lowerBound + shared
                for offset in 0..<8 {
                    let byte = start + offset < range.upperBound ? all[start + offset] : 0
                    prefix = prefix << 8 | UInt64(byte)
                }
                items.append((prefix, UInt32(truncatingIfNeeded: index)))
            }
            items.sort { left, right in
                if left.prefix != right.prefix { return left.prefix < right.prefix }
                return all.part(range(Int(left.index))).precedes(all.part(range(Int(right.index))))
            }
            return items.map(\.index)
        }
    }
}

/// Writes the columns of a body one after another.
struct ColumnWriter {
    private let compressor: Compressor
    private var table: [UInt8] = []
    private var stored: [UInt8] = []

    init(compressor: Compressor) {
        self.compressor = compressor
    }

    mutating func write(_ column: SegmentFormat.Column, _ bytes: [UInt8]) throws {
        let start = stored.count
        let isPacked = try bytes.withUnsafeBytes { source in
            try compressor.compress(source, into: &stored)
        }
        if !isPacked { stored.append(contentsOf: bytes) }
        table.append(column.rawValue)
        table.append(isPacked ? SegmentFormat.Coding.zstd.rawValue : SegmentFormat.Coding.raw.rawValue)
        table.appendLittleEndian(UInt32(truncatingIfNeeded: bytes.count))
        table.appendLittleEndian(UInt32(truncatingIfNeeded: stored.count - start))
    }

    /// The body: its header, the table of columns, the columns.
    consuming func finish(entries: Int, keys: Int, headers: Int) -> [UInt8] {
        var body = SegmentFormat.magic
        body.append(SegmentFormat.version)
        body.append(UInt8(SegmentFormat.Column.allCases.count))
        body.append(contentsOf: [0, 0])
        body.appendLittleEndian(UInt32(truncatingIfNeeded: entries))
        body.appendLittleEndian(UInt32(truncatingIfNeeded: keys))
        body.appendLittleEndian(UInt32(truncatingIfNeeded: headers))
        body.append(contentsOf: table)
        body.append(contentsOf: stored)
        return body
    }
}
