public import KVModel

/// What a segment says of itself beside its body.
struct SegmentHeader: Sendable, Equatable {
    var firstRevision: Revision
    var lastRevision: Revision
    var firstTime: Timestamp
    var lastTime: Timestamp
    var count: Int
    var rawSize: Int

    /// The numbers in the order in which digests and seals cover them.
    var numbers: [UInt64] {
        [
            firstRevision, lastRevision, UInt64(bitPattern: firstTime.nanoseconds),
            UInt64(bitPattern: lastTime.nanoseconds), UInt64(bitPattern: Int64(count)),
            UInt64(bitPattern: Int64(rawSize)),
        ]
    }
}

/// A packed segment, ready to be committed.
public struct EncodedSegment: Sendable {
    let header: SegmentHeader
    let body: [UInt8]
    let values: [UInt8]
    let keyFilter: [UInt8]
    /// The packed sizes of the blocks that `values` is made of.
    let valueBlocks: [Int]
    /// The blobs' digests, made here so that a commit need not read the bytes again.
    let parts: SegmentParts

    init(header: SegmentHeader, body: [UInt8], values: [UInt8], valueBlocks: [Int], keyFilter: [UInt8]) {
        self.header = header
        self.body = body
        self.values = values
        self.valueBlocks = valueBlocks
        self.keyFilter = keyFilter
        parts = SegmentParts(body: body, values: values, keyFilter: keyFilter)
    }

    /// The first entry's revision.
    public var firstRevision: Revision { header.firstRevision }
    /// The last entry's revision.
    public var lastRevision: Revision { header.lastRevision }
    /// The first entry's time.
    public var firstTime: Timestamp { header.firstTime }
    /// The last entry's time.
    public var lastTime: Timestamp { header.lastTime }
    /// How many entries it holds.
    public var count: Int { header.count }
    /// Bytes of keys, header blocks and values before packing.
    public var rawSize: Int { header.rawSize }
    /// Bytes that it takes in the archive.
    public var storedSize: Int { sizes.total }

    var sizes: SegmentSizes { SegmentSizes(body: body.count, values: values.count, keyFilter: keyFilter.count) }
}
