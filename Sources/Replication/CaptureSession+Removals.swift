import Archive
import JetStream
import KVModel

/// What a capture knows of entries that vanished from the source without a message saying so.
struct RemovalAccount {
    /// How many were found and recorded.
    var found = 0
    /// What the bucket was found not to hold, to be looked at again at the next consistent revision.
    var missing: [ClosedRange<Revision>]?
    /// What the archive holds at the consistent revision, after removals were accounted for.
    var state: BucketState?
    /// The state of the source for which that was done.
    var source: StreamInfo.State?
}

extension CaptureSession {
    /// Holds the bucket's count of messages against what the archive expects at the consistent revision just found.
    ///
    /// Answers whether the revision is accounted for. If not, all revisions of the bucket were read and some are
    /// missing: the next consistent revision, which may be the same, says which of them nothing else explains.
    mutating func account() async throws -> Bool {
        guard let consistent else { return false }
        // What is expected is read from the archive, so all must be there, but nothing is claimed yet.
        try await commit()
        let search = RemovalSearch(bucket, reader: try writer.reader(), incarnation: incarnation.id)
        var expected = try search.expected(at: consistent.revision, asOf: consistent.time)
        if let missing = removals.missing {
            let confirmed = try search.confirm(missing, in: expected)
            if confirmed.count > 0 {
                try writer.recordRemovals(
                    incarnation.id,
                    confirmed.ranges,
                    seenAt: consistent.revision,
                    time: consistent.time
                )
                expected = try search.expected(at: consistent.revision, asOf: consistent.time)
            }
            removals.missing = nil
            removals.found += confirmed.count
            // What is known to be gone may have made room for something that was thought to be driven out.
            if confirmed.count > 0, UInt64(clamping: expected.entries) != state.messages { return false }
        } else if !search.agrees(expected, messages: state.messages) {
            let patience = options.patience
            removals.missing = try await withoutWatch {
                try await search.missing(from: expected, patience: patience)
            }
            return false
        }
        removals.source = state
        removals.state = options.follows ? nil : expected
        prove()
        return true
    }
}
