public import KVModel

extension BucketState {
    /// Shows every entry in revision order without its value, and how long that is: no value is unpacked.
    public func forEachOutline(_ body: (_ entry: EntryView, _ valueLength: Int) throws -> Void) throws {
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        for kept in segments {
            let segment = try snapshot.columns(kept, of: incarnation)
            for index in 0..<segment.count where kept.contains(index) {
                try segment.withEntry(index, value: nothing) { try body($0, Int(segment.valueLengths[index])) }
            }
        }
    }
}
