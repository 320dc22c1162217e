public import KVModel

/// The revisions of a state's entries in order; no value is unpacked for them.
public struct RevisionCursor: Sendable {
    private let state: BucketState
    private var segment = 0
    private var revisions: [Revision] = []
    private var position = 0

    init(state: BucketState) {
        self.state = state
    }

    /// The next revision; nil after the last.
    public mutating func next() throws -> Revision? {
        while position == revisions.count {
            guard segment < state.segments.count else { return nil }
            let kept = state.segments[segment]
            let columns = try state.snapshot.columns(kept, of: state.incarnation)
            revisions.removeAll(keepingCapacity: true)
            for index in 0..<columns.count where kept.contains(index) { revisions.append(columns.revisions[index]) }
            position = 0
            segment += 1
        }
        defer { position += 1 }
        return revisions[position]
    }
}

extension BucketState {
    /// Reads the revisions of the entries alone.
    public func makeRevisionCursor() -> RevisionCursor { RevisionCursor(state: self) }
}
