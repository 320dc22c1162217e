import Crypto
import Foundation

/// A segment as the archive stores it: nothing else is ever written to the table.
///
/// Only a `KeyRing` makes one of a segment that is not stored yet, so that no plain segment gets into an encrypted archive by oversight.
struct SealedSegment: Sendable {
    let header: SegmentHeader
    let body: [UInt8]
    let values: [UInt8]
    let keyFilter: [UInt8]
    let parts: SegmentParts
    /// Nil in an archive that is not encrypted.
    let seal: SegmentSeal?

    var sizes: SegmentSizes { SegmentSizes(body: body.count, values: values.count, keyFilter: keyFilter.count) }

    /// The segment as it is.
    init(plain segment: EncodedSegment) {
        header = segment.header
        body = segment.body
        values = segment.values
        keyFilter = segment.keyFilter
        parts = segment.parts
        seal = nil
    }

    /// A segment as it was found stored: sealed or plain, it stays what it is.
    init(stored row: SegmentRow, body: [UInt8], values: [UInt8], keyFilter: [UInt8]) {
        header = row.header
        self.body = body
        self.values = values
        self.keyFilter = keyFilter
        parts = row.parts
        seal = row.seal
    }

    /// The segment sealed: its body, its filter and each block of its values by itself.
    init(_ segment: EncodedSegment, cipher: SegmentCipher, seal: SegmentSeal) throws {
        header = segment.header
        var body: [UInt8] = []
        body.reserveCapacity(segment.body.count + SegmentCipher.overhead)
        try segment.body.withUnsafeBytes { try cipher.seal($0, .body, into: &body) }
        var keyFilter: [UInt8] = []
        try segment.keyFilter.withUnsafeBytes { try cipher.seal($0, .keyFilter, into: &keyFilter) }
        var values: [UInt8] = []
        values.reserveCapacity(segment.values.count + segment.valueBlocks.count * SegmentCipher.overhead)
        try segment.values.withUnsafeBytes { bytes in
            var start = 0
            for (number, size) in segment.valueBlocks.enumerated() {
                try cipher.seal(bytes.part(start..<start + size), .values, number: number, into: &values)
                start += size
            }
        }
        self.body = body
        self.keyFilter = keyFilter
        self.values = values
        self.seal = seal
        parts = SegmentParts(body: body, values: values, keyFilter: keyFilter)
    }
}

/// The values of a segment as stored, or a part of them, and what opens them.
struct StoredValues: Sendable {
    private let bytes: Data
    /// Where in the segment's values they begin.
    private let start: Int
    /// Nil if they are not sealed.
    private let cipher: SegmentCipher?

    init(bytes: Data, from start: Int = 0, cipher: SegmentCipher?) {
        self.bytes = bytes
        self.start = start
        self.cipher = cipher
    }

    /// Whether these are as many bytes as a segment's values have.
    func areAll(of segment: DecodedSegment) -> Bool {
        start == 0 && bytes.count == Self.place(of: segment.valueBlocks[...], isSealed: cipher != nil).upperBound
    }

    /// Where some neighbouring blocks lie.
    static func place(of blocks: ArraySlice<DecodedSegment.ValueBlock>, isSealed: Bool) -> Range<Int> {
        guard let first = blocks.first, let last = blocks.last else { return 0..<0 }
        let overhead = isSealed ? SegmentCipher.overhead : 0
        return first.stored.lowerBound + first.number * overhead..<last.stored.upperBound + (last.number + 1) * overhead
    }

    /// Calls `body` with a block as it was packed, once it is known to be what was written.
    func withBlock<Result>(
        _ block: DecodedSegment.ValueBlock,
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        try bytes.withUnsafeBytes { bytes in
            let place = Self.place(of: [block], isSealed: cipher != nil)
            guard place.lowerBound >= start, place.upperBound - start <= bytes.count else {
                throw SegmentDamage("values are missing")
            }
            let stored = bytes.part(place.lowerBound - start..<place.upperBound - start)
            guard let cipher else { return try Self.check(stored, block, body) }
            return try cipher.open(stored, .values, number: block.number).withUnsafeBytes {
                try Self.check($0, block, body)
            }
        }
    }

    private static func check<Result>(
        _ packed: UnsafeRawBufferPointer,
        _ block: DecodedSegment.ValueBlock,
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        guard SHA256.hash(data: packed).elementsEqual(block.digest) else {
            throw SegmentDamage("block \(block.number) of its values is not what was written")
        }
        return try body(packed)
    }
}
