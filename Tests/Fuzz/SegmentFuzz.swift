/// The segment decoder, with value blocks, key filters and runs.
struct SegmentFuzz: FuzzTarget {
    func corpus() throws -> [[UInt8]] {
        try SegmentInput.corpus()
    }

    func take(_ input: UnsafeRawBufferPointer) throws {
        _ = try SegmentInput.digest(input)
    }
}
