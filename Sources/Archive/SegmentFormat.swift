/// The numbers of the segment body's format; `Format.md` says what they mean.
enum SegmentFormat {
    static let magic: [UInt8] = Array("CSEG".utf8)
    static let version: UInt8 = 1
    static let maximumEntries = 1 << 20
    static let maximumKeyBytes = 1 << 16
    static let maximumHeaderBytes = 1 << 26
    static let maximumValueBytes = 1 << 28
    /// What the sizes of a column or value block may declare: no segment that we write comes near it.
    static let maximumColumnBytes = 1 << 29

    /// Values of this size and more are large: revisions of a document that differ little, for the most part.
    static let largeValueBytes = 1 << 16

    /// The columns of a body, in their order.
    enum Column: UInt8, CaseIterable {
        case keys = 1
        case keyReferences = 2
        case revisions = 3
        case times = 4
        case operations = 5
        case headerBlocks = 6
        case headerReferences = 7
        case valueLengths = 8
        case valueBlocks = 9
    }

    /// How a column or a block of values is stored.
    enum Coding: UInt8 {
        case raw = 0
        case zstd = 1
    }
}
