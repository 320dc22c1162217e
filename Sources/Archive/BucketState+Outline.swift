public import KVModel

extension BucketState {
    /// Shows every entry in revision order without its value, and how long that is: no value is unpacked.
    public func forEachOutline(_ body: (_ entry: EntryView, _ valueLength: Int) throws -> Void) throws {
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        let (segments, snapshot, incarnation) = (segments, snapshot, incarnation)
        let ahead = ReadAhead(0) { place -> (KeptSegment, DecodedSegment)? in
            guard place < segments.count else { return nil }
            defer { place += 1 }
            return (segments[place], try snapshot.columns(segments[place], of: incarnation))
        }
        defer { ahead.finish() }
        while let (kept, segment) = try ahead.next() {
            for index in 0..<segment.count where kept.contains(index) {
                try segment.withEntry(index, value: nothing) { try body($0, Int(segment.valueLengths[index])) }
            }
        }
    }
}
