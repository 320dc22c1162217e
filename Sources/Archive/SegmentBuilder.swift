public import KVModel

/// Gathers entries in revision order until they make a segment.
///
/// The bytes of each entry are copied straight into columns: no string, no allocation per entry. A builder is a value,
/// so that a full one can be sealed on another thread while the next one fills:
///
/// ```swift
/// try builder.append(view)
/// if builder.isFull {
///     let full = builder
///     builder = SegmentBuilder()
///     segments.append(try full.encode())
/// }
/// ```
public struct SegmentBuilder: Sendable {
    /// When a builder counts as full, and how it packs.
    public struct Limits: Sendable {
        /// Bytes of keys, headers and values after which the builder is full, large values left out.
        public var rawBytes: Int
        /// Bytes of large values after which the builder is full: together they compress to far less than apart.
        public var largeBytes: Int
        /// Entries after which the builder is full.
        public var entries: Int
        /// Values are compressed in blocks of about this size: reading one key unpacks one block.
        public var valueBlockBytes: Int
        /// The zstd level of values.
        public var valueLevel: Int32
        /// The zstd level of all other columns.
        public var columnLevel: Int32

        /// Limits that suit buckets of all kinds; bounded by what the format allows.
        public init(
            rawBytes: Int = 4 << 20,
            largeBytes: Int = 12 << 20,
            entries: Int = 32_768,
            valueBlockBytes: Int = 512 << 10,
            valueLevel: Int32 = 1,
            columnLevel: Int32 = 1
        ) {
            self.rawBytes = max(1, rawBytes)
            self.largeBytes = max(1, largeBytes)
            self.entries = min(max(1, entries), SegmentFormat.maximumEntries)
            self.valueBlockBytes = min(max(1, valueBlockBytes), 64 << 20)
            self.valueLevel = valueLevel
            self.columnLevel = columnLevel
        }
    }

    /// The values of consecutive entries, as another segment has them packed.
    struct PackedBlock: Sendable {
        /// The first of these entries.
        let first: Int
        let entries: Int
        let size: Int
        let coding: SegmentFormat.Coding
        let bytes: [UInt8]
    }

    let limits: Limits
    var keys: ByteDictionary
    var keyReferences: [UInt32] = []
    var revisions: [Revision] = []
    var times: [Int64] = []
    var operations: [UInt8] = []
    var headers = ByteDictionary()
    /// 0 for no header block, else one more than its number.
    var headerReferences: [UInt32] = []
    var valueLengths: [UInt32] = []
    var values: [UInt8] = []
    /// Blocks of values that are packed already; their values are not among `values`.
    private(set) var packedBlocks: [PackedBlock] = []
    /// Bytes of keys, header blocks and values, as the source sent them.
    public private(set) var rawBytes = 0
    /// Bytes of the large values among them.
    private(set) var largeBytes = 0

    /// An empty builder.
    public init(limits: Limits = Limits()) {
        self.limits = limits
        keys = ByteDictionary(capacity: min(limits.entries, 4096))
    }

    /// How many entries it holds.
    public var count: Int { revisions.count }
    /// Whether it holds none.
    public var isEmpty: Bool { revisions.isEmpty }
    /// Whether it is time to seal it.
    public var isFull: Bool {
        rawBytes - largeBytes >= limits.rawBytes || largeBytes >= limits.largeBytes
            || revisions.count >= limits.entries
    }
    /// The first entry's revision.
    public var firstRevision: Revision? { revisions.first }
    /// The last entry's revision.
    public var lastRevision: Revision? { revisions.last }

    /// Copies an entry in; its revision must be above the last one's.
    ///
    /// Throws `.invalid` for an entry that does not follow, or whose key, header block or value is larger than the
    /// format takes (64 KiB, 64 MiB, 256 MiB), and for a builder that holds as many entries as a segment may.
    public mutating func append(_ entry: EntryView) throws(ArchiveError) {
        try append(entry, valueCount: entry.value.count)
        // Room that is grown step by step is copied as often. Small segments never touch most of it.
        if values.isEmpty { values.reserveCapacity(min(limits.rawBytes, 8 << 20) + entry.value.count) }
        values.append(contentsOf: entry.value)
    }

    /// Takes over the values of the entries that come next, packed; the entries are then copied in without them.
    mutating func append(packed stored: [UInt8], of block: DecodedSegment.ValueBlock) {
        packedBlocks.append(
            PackedBlock(
                first: revisions.count,
                entries: block.entries.count,
                size: block.size,
                coding: block.coding,
                bytes: stored
            )
        )
    }

    /// Copies all of an entry in but its value, which has this length.
    mutating func append(_ entry: EntryView, valueCount: Int) throws(ArchiveError) {
        guard entry.revision > (revisions.last ?? 0), entry.revision <= UInt64(Int64.max) else {
            throw ArchiveError(.invalid("revision \(entry.revision) does not follow \(revisions.last ?? 0)"))
        }
        guard entry.key.count <= SegmentFormat.maximumKeyBytes,
            entry.headers.count <= SegmentFormat.maximumHeaderBytes,
            valueCount <= SegmentFormat.maximumValueBytes
        else { throw ArchiveError(.invalid("revision \(entry.revision) is larger than a segment can hold")) }
        let size = entry.key.count + entry.headers.count + valueCount
        guard revisions.count < SegmentFormat.maximumEntries, rawBytes + size <= SegmentFormat.maximumColumnBytes else {
            throw ArchiveError(.invalid("the segment is full before revision \(entry.revision)"))
        }
        keyReferences.append(UInt32(truncatingIfNeeded: keys.insert(entry.key)))
        revisions.append(entry.revision)
        times.append(entry.time.nanoseconds)
        operations.append(entry.operation.rawValue)
        let header = entry.headers.isEmpty ? 0 : headers.insert(entry.headers) + 1
        headerReferences.append(UInt32(truncatingIfNeeded: header))
        valueLengths.append(UInt32(truncatingIfNeeded: valueCount))
        rawBytes += size
        if valueCount >= SegmentFormat.largeValueBytes { largeBytes += valueCount }
    }
}
