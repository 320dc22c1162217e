import Archive
import JetStream
import KVModel
import KeyValue

/// What a capture knows of entries that vanished from the source without a message saying so.
struct RemovalAccount {
    /// How many were found and recorded.
    var found = 0
    /// How the bucket was found to differ from what is expected, to be looked at again at the next consistent revision.
    var difference: RevisionMerge.Difference?
    /// What was recorded because an older entry of its key is still there.
    var followers: Set<ClosedRange<Revision>> = []
    /// Whether the bucket counts other entries than the archive does, and nothing explains it.
    var isUnexplained = false
    /// What the archive holds at the consistent revision, after removals were accounted for.
    var state: BucketState?
    /// The state of the source for which that was done.
    var source: StreamInfo.State?
}

extension CaptureSession {
    /// Holds the bucket's count of messages, and their size, against what the archive expects at the consistent
    /// revision just found.
    ///
    /// Answers whether the revision is accounted for. If not, all revisions of the bucket were read and some are
    /// missing: the next consistent revision, which may be the same, says which of them nothing else explains.
    mutating func account() async throws -> Bool {
        guard let consistent else { return false }
        // What is expected is read from the archive, so all must be there, but nothing is claimed yet.
        try await commit()
        let search = RemovalSearch(bucket, reader: try writer.reader(), incarnation: incarnation.id)
        var expected = try search.expected(at: consistent.revision, asOf: consistent.time)
        if let difference = removals.difference {
            removals.difference = nil
            if try record(difference, expected, search) {
                expected = try search.expected(at: consistent.revision, asOf: consistent.time)
                // What is known to be gone may have made room for something that was thought to be driven out.
                if !search.matches(expected, state) { return false }
            }
        } else if !search.agrees(expected, state) {
            let patience = options.patience
            removals.difference = try await withoutWatch {
                try await search.difference(from: expected, patience: patience)
            }
            return false
        }
        removals.isUnexplained =
            expected.recentlyExpired == 0 && UInt64(clamping: expected.entries) != state.messages
        removals.source = state
        counted = ConsistentPoint(revision: consistent.revision, time: consistent.time)
        removals.state = options.follows ? nil : expected
        prove()
        return true
    }

    /// Records what vanished, as far as nothing that came since explains it; answers whether there was anything new.
    private mutating func record(
        _ difference: RevisionMerge.Difference,
        _ expected: BucketState,
        _ search: RemovalSearch
    ) throws -> Bool {
        guard let consistent else { return false }
        let confirmed = try search.confirm(difference.missing, in: expected)
        // What is there and not expected was driven out by something that had vanished before.
        let followers = try expected.followers(of: difference.surplus).filter { !removals.followers.contains($0) }
        guard confirmed.count > 0 || !followers.isEmpty else { return false }
        try writer.recordRemovals(
            incarnation.id,
            confirmed.ranges + followers,
            since: counted,
            seenAt: consistent.revision,
            time: consistent.time
        )
        disprove()
        removals.found += confirmed.count
        removals.followers.formUnion(followers)
        return true
    }
}
