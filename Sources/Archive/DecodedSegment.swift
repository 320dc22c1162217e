import Crypto
import Foundation
import KVModel

/// A segment's columns unpacked, values excepted: those are unpacked block by block, when asked for.
///
/// Everything is checked while it is unpacked, so that the accessors need no checks of their own.
///
/// A class, because a copy of it would be nine arrays kept and let go, and it is passed on for every entry.
final class DecodedSegment: Sendable {
    /// Where a block of values lies in the segment's value bytes, and which entries it holds.
    struct ValueBlock: Sendable {
        let number: Int
        let entries: Range<Int>
        let stored: Range<Int>
        let coding: SegmentFormat.Coding
        let size: Int
        /// Of its bytes as packed.
        let digest: [UInt8]

        /// Unpacks its bytes, which nothing says are those that were written.
        func unpack(_ stored: UnsafeRawBufferPointer) throws -> [UInt8] {
            switch coding {
            case .raw: Array(stored)
            case .zstd: try Decompressor.decompress(stored, count: size)
            }
        }
    }

    let revisions: [Revision]
    let times: [Int64]
    let operations: [KVModel.Operation]
    let keyReferences: [UInt32]
    let keys: ByteStrings
    /// 0 for no header block, else one more than its number.
    let headerReferences: [UInt32]
    let headers: ByteStrings
    let valueLengths: [UInt32]
    let valueBlocks: [ValueBlock]

    var count: Int { revisions.count }

    /// Unpacks a body; throws `SegmentDamage` for whatever is wrong with it.
    init(body: Data) throws {
        let columns = try body.withUnsafeBytes { try BodyColumns($0) }
        let entries = columns.entries
        keys = try columns.unpack(.keys) { try ByteStrings(prefixCompressed: $0, count: columns.keys) }
        keyReferences = try columns.unpack(.keyReferences) { bytes in
            try ByteReader.planes(bytes, count: entries, limit: columns.keys, "key references")
        }
        revisions = try columns.unpack(.revisions) { try Self.revisions($0, count: entries) }
        times = try columns.unpack(.times) { try Self.times($0, count: entries) }
        operations = try columns.unpack(.operations) { try Self.operations($0, count: entries) }
        headers = try columns.unpack(.headerBlocks) { try ByteStrings(lengthsAndBytes: $0, count: columns.headers) }
        headerReferences = try columns.unpack(.headerReferences) { bytes in
            try ByteReader.planes(bytes, count: entries, limit: columns.headers + 1, "header references")
        }
        let lengths = try columns.unpack(.valueLengths) { try Self.lengths($0, count: entries) }
        valueLengths = lengths
        valueBlocks = try columns.unpack(.valueBlocks) { try Self.blocks($0, lengths: lengths) }
    }

    /// What a dictionary finds the keys by.
    func keyHashes() -> [UInt32] {
        (0..<keys.count).map { keys.withString($0, ByteDictionary.hash) }
    }

    /// What the segment's row should say.
    var header: SegmentHeader {
        var size = valueLengths.reduce(0) { $0 + Int($1) }
        for reference in keyReferences { size += keys.range(Int(reference)).count }
        for reference in headerReferences where reference > 0 { size += headers.range(Int(reference) - 1).count }
        return SegmentHeader(
            firstRevision: revisions.first ?? 0,
            lastRevision: revisions.last ?? 0,
            firstTime: Timestamp(nanoseconds: times.first ?? 0),
            lastTime: Timestamp(nanoseconds: times.last ?? 0),
            count: count,
            rawSize: size
        )
    }

    /// Bytes of all value blocks as stored.
    var storedValueBytes: Int { valueBlocks.last?.stored.upperBound ?? 0 }

    /// Unpacks the values of a block.
    func unpack(_ block: ValueBlock, from values: StoredValues) throws -> [UInt8] {
        try values.withBlock(block) { try block.unpack($0) }
    }

    private static func revisions(_ bytes: UnsafeRawBufferPointer, count: Int) throws(SegmentDamage) -> [Revision] {
        var reader = ByteReader(bytes)
        var result = [Revision](repeating: 0, count: count)
        var previous: Revision = 0
        for index in 0..<count {
            let delta = try reader.varint()
            guard delta < UInt64(Int64.max) - previous else { throw SegmentDamage("a revision is out of bounds") }
            previous += delta + 1
            result[index] = previous
        }
        guard reader.isAtEnd else { throw SegmentDamage("there are more revisions than entries") }
        return result
    }

    private static func times(_ bytes: UnsafeRawBufferPointer, count: Int) throws(SegmentDamage) -> [Int64] {
        var reader = ByteReader(bytes)
        var result = [Int64](repeating: 0, count: count)
        var previous: Int64 = 0
        for index in 0..<count {
            previous &+= try reader.zigZag()
            result[index] = previous
        }
        guard reader.isAtEnd else { throw SegmentDamage("there are more times than entries") }
        return result
    }

    private static func operations(
        _ bytes: UnsafeRawBufferPointer,
        count: Int
    ) throws(SegmentDamage) -> [KVModel.Operation] {
        guard bytes.count == count else { throw SegmentDamage("there are not as many operations as entries") }
        var result: [KVModel.Operation] = []
        result.reserveCapacity(count)
        for byte in bytes {
            guard let operation = KVModel.Operation(rawValue: byte) else {
                throw SegmentDamage("an operation is unknown")
            }
            result.append(operation)
        }
        return result
    }

    private static func lengths(_ bytes: UnsafeRawBufferPointer, count: Int) throws(SegmentDamage) -> [UInt32] {
        var reader = ByteReader(bytes)
        var result = [UInt32](repeating: 0, count: count)
        for index in 0..<count {
            result[index] = UInt32(try reader.count(limit: SegmentFormat.maximumValueBytes, "a value's length"))
        }
        guard reader.isAtEnd else { throw SegmentDamage("there are more value lengths than entries") }
        return result
    }

    private static func blocks(_ bytes: UnsafeRawBufferPointer, lengths: [UInt32]) throws(SegmentDamage) -> [ValueBlock]
    {
        var reader = ByteReader(bytes)
        var result: [ValueBlock] = []
        var entry = 0
        var offset = 0
        while !reader.isAtEnd {
            let count = try reader.count(limit: lengths.count - entry, "a value block's entry count")
            let size = try reader.count(limit: SegmentFormat.maximumColumnBytes, "a value block's size")
            let code = try reader.byte()
            let stored = try reader.count(limit: SegmentFormat.maximumColumnBytes, "a value block's stored size")
            let digest = Array(try reader.take(SHA256.byteCount))
            guard count > 0, let coding = SegmentFormat.Coding(rawValue: code), coding == .zstd || stored == size else {
                throw SegmentDamage("the table of value blocks is wrong")
            }
            var sum = 0
            for index in entry..<entry + count { sum += Int(lengths[index]) }
            guard sum == size else { throw SegmentDamage("a value block is not as long as its values") }
            result.append(
                ValueBlock(
                    number: result.count,
                    entries: entry..<entry + count,
                    stored: offset..<offset + stored,
                    coding: coding,
                    size: size,
                    digest: digest
                )
            )
            entry += count
            offset += stored
        }
        guard entry == lengths.count else { throw SegmentDamage("values of some entries are missing") }
        return result
    }
}
