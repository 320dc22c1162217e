public import KVModel

extension BucketState {
    /// Shows every entry in revision order, without unpacking any value.
    public func forEachOutline(_ body: (EntryOutline) throws -> Void) throws {
        for kept in segments {
            let segment = try snapshot.columns(kept, of: incarnation)
            for index in 0..<segment.count where kept.contains(index) {
                try segment.withOutline(index, body)
            }
        }
    }

    /// Shows the keys that entries have; one may be shown more than once.
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

extension DecodedSegment {
    fileprivate func withOutline(_ index: Int, _ body: (EntryOutline) throws -> Void) throws {
        try keys.withString(Int(keyReferences[index])) { key in
            func show(_ headers: UnsafeRawBufferPointer) throws {
                try body(
                    EntryOutline(
                        revision: revisions[index],
                        time: Timestamp(nanoseconds: times[index]),
                        operation: operations[index],
                        key: key,
                        headers: headers,
                        valueSize: Int(valueLengths[index])
                    )
                )
            }
            let reference = Int(headerReferences[index])
            guard reference > 0 else { return try show(UnsafeRawBufferPointer(start: nil, count: 0)) }
            try headers.withString(reference - 1, show)
        }
    }
}
