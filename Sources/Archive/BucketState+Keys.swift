import KVModel

extension BucketState {
    /// Shows the keys that entries have, without unpacking any value; one may be shown more than once.
    public func forEachKey(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        for kept in segments {
            let segment = try snapshot.columns(kept, of: incarnation)
            var isShown = [Bool](repeating: false, count: segment.keys.count)
            for index in 0..<segment.count where kept.contains(index) {
                let reference = Int(segment.keyReferences[index])
                guard !isShown[reference] else { continue }
                isShown[reference] = true
                try segment.keys.withString(reference, body)
            }
        }
    }
}
