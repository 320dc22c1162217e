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

/// The values of a segment as stored, and what opens them.
struct StoredValues: Sendable {
    let bytes: Data
    /// Nil if they are not sealed.
    let cipher: SegmentCipher?

    /// How many bytes a segment's values must have.
    func expectedCount(_ segment: DecodedSegment) -> Int {
        segment.storedValueBytes + (cipher == nil ? 0 : segment.valueBlocks.count * SegmentCipher.overhead)
    }

    /// Calls `body` with a block as it was packed.
    func withBlock<Result>(
        _ block: DecodedSegment.ValueBlock,
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        try bytes.withUnsafeBytes { bytes in
            var place = block.stored
            if cipher != nil {
                let start = place.lowerBound + block.number * SegmentCipher.overhead
                place = start..<start + block.stored.count + SegmentCipher.overhead
            }
            guard place.upperBound <= bytes.count else { throw SegmentDamage("values are missing") }
            guard let cipher else { return try body(bytes.part(place)) }
            return try cipher.open(bytes.part(place), .values, number: block.number).withUnsafeBytes(body)
        }
    }
}
