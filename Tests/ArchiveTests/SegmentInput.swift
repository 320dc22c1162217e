import Foundation
import KVModel

@testable import Archive

/// Bytes for everything that decodes a segment: what the mutation test damages, and what is fuzzed.
///
/// The first three bytes say how long the body is; the values follow it, and serve as a key filter and as runs too.
enum SegmentInput {
    /// A segment says of its entries that they have another size than they do.
    private struct WrongSize: Error {}

    /// Decodes an input; false if its body was refused with `SegmentDamage`, any other error is thrown.
    static func digest(_ input: UnsafeRawBufferPointer) throws -> Bool {
        guard input.count >= 3 else { return false }
        let rest = UnsafeRawBufferPointer(rebasing: input[3...])
        let declared = Int(input[0]) | Int(input[1]) << 8 | Int(input[2]) << 16
        let length = declared % (rest.count + 1)
        let values = Data(rest[length...])
        _ = try isSound { _ = try KeyFilter.concerns("user.1", filter: values) }
        _ = try isSound {
            var runs = HeldRuns()
            try runs.append(decoding: values)
            _ = runs.contains(ascending: 7)
        }
        return try isSound { try decode(Data(rest[..<length]), values) }
    }

    private static func decode(_ body: Data, _ values: Data) throws {
        let segment = try DecodedSegment(body: body)
        var bytes = 0
        for block in segment.valueBlocks {
            guard block.stored.upperBound <= values.count else { throw SegmentDamage("values are missing") }
            // Not against its digest: whoever can write a block can write that too.
            let stored = try values.withUnsafeBytes { try block.unpack($0.part(block.stored)) }
            stored.withUnsafeBytes { unpacked in
                var offset = 0
                for index in block.entries {
                    let value = unpacked.part(offset..<offset + Int(segment.valueLengths[index]))
                    segment.withEntry(index, value: value) { bytes += $0.key.count + $0.headers.count + $0.value.count }
                    offset += value.count
                }
            }
        }
        guard bytes == segment.header.rawSize else { throw WrongSize() }
    }

    private static func isSound(_ work: () throws -> Void) throws -> Bool {
        do {
            try work()
            return true
        } catch is SegmentDamage {
            return false
        }
    }

    /// Sound inputs: segments as they are written, and with columns left unpacked, where no checksum hides what is behind.
    static func corpus() throws -> [[UInt8]] {
        var inputs: [[UInt8]] = []
        for (count, valueBytes) in [(1, 3), (5, 9), (40, 20), (200, 300)] {
            let entries = entries(count, valueBytes: valueBytes)
            for blockBytes in [1, 60, 1 << 16] {
                let limits = SegmentBuilder.Limits(entries: count, valueBlockBytes: blockBytes)
                var builder = SegmentBuilder(limits: limits)
                for entry in entries { try entry.withView { try builder.append($0) } }
                let segment = try builder.encode()
                inputs.append(input(segment.body, segment.values))
                inputs.append(input(try unpacked(segment.body), segment.values))
                inputs.append(input([], segment.keyFilter))
            }
        }
        let runs = (1...40).map { (number: Revision) in number * 10...number * 10 + number % 7 }
        inputs.append(input([], try HeldRuns.encode(runs[...], Compressor(level: 1))))
        inputs.append(input([], try HeldRuns.encode(runs[..<3], Compressor(level: 1))))
        return inputs
    }

    private static func input(_ body: [UInt8], _ values: [UInt8]) -> [UInt8] {
        (0..<3).map { UInt8(truncatingIfNeeded: body.count >> ($0 * 8)) } + body + values
    }

    /// The same body with every column as it is before compression.
    private static func unpacked(_ body: [UInt8]) throws -> [UInt8] {
        let columns = try body.withUnsafeBytes { try BodyColumns($0) }
        var table: [UInt8] = []
        var stored: [UInt8] = []
        for column in SegmentFormat.Column.allCases {
            let bytes = try columns.unpack(column) { Array($0) }
            table += [column.rawValue, SegmentFormat.Coding.raw.rawValue]
            for _ in 0..<2 { table.appendLittleEndian(UInt32(truncatingIfNeeded: bytes.count)) }
            stored += bytes
        }
        return body[..<20] + table + stored
    }

    private static func entries(_ count: Int, valueBytes: Int) -> [Entry] {
        let headers = [
            "", "NATS/1.0\r\nKV-Operation: DEL\r\n\r\n", "NATS/1.0\r\nNats-TTL: 5s\r\n\r\n", "",
            "NATS/1.0\r\nKV-Operation: PURGE\r\nNats-Rollup: sub\r\n\r\n",
        ]
        return (0..<count).map { index in
            let block = Array(headers[index % headers.count].utf8)
            let operation = block.withUnsafeBytes { KVModel.Operation(headers: $0) }
            return Entry(
                revision: Revision(index * 3 + 1),
                time: Timestamp(nanoseconds: 1_790_000_000_000_000_000 + Int64(index) * 1_000_003),
                operation: operation,
                key: Key("user.\(index % 17).profile"),
                headers: block,
                value: operation == .put ? (0..<valueBytes).map { UInt8(truncatingIfNeeded: $0 &* index) } : []
            )
        }
    }
}
