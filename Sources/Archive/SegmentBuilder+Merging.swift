/// Taking over entries of a segment that is stored already.
extension SegmentBuilder {
    /// Copies in the entries of a segment that `keeps` names by their numbers.
    ///
    /// With `reusesBlocks`, larger blocks of values of which all entries stay are taken over as they are packed: cut at
    /// other places their values would lie with others that are less like them, and take more room than before.
    mutating func append(
        _ segment: DecodedSegment,
        _ values: StoredValues,
        reusesBlocks: Bool,
        where keeps: (Int) -> Bool
    ) throws {
        for block in segment.valueBlocks {
            let kept = block.entries.count { keeps($0) }
            guard kept > 0 else { continue }
            if reusesBlocks, kept == block.entries.count, block.size * 2 >= limits.valueBlockBytes {
                append(packed: try values.withBlock(block) { Array($0) }, of: block)
                for index in block.entries {
                    let none = UnsafeRawBufferPointer(start: nil, count: 0)
                    try segment.withEntry(index, value: none) { entry in
                        try append(entry, valueCount: Int(segment.valueLengths[index]))
                    }
                }
                continue
            }
            try segment.unpack(block, from: values).withUnsafeBytes { bytes in
                var offset = 0
                for index in block.entries {
                    let length = Int(segment.valueLengths[index])
                    if keeps(index) {
                        try segment.withEntry(index, value: bytes.part(offset..<offset + length)) { try append($0) }
                    }
                    offset += length
                }
            }
        }
    }
}

extension DecodedSegment {
    /// Bytes of all values, and of the large ones among them.
    var valueBytes: (all: Int, large: Int) {
        valueLengths.reduce(into: (all: 0, large: 0)) { sum, length in
            sum.all += Int(length)
            if length >= SegmentFormat.largeValueBytes { sum.large += Int(length) }
        }
    }
}
