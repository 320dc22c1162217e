import Archive
import JetStream
import KVModel
import KeyValue

/// What a capture knows of entries that vanished from the source without a message saying so.
struct RemovalAccount {
    /// How many were found and recorded.
    var found = 0
    /// How the bucket was found to differ from what is expected, and where, to be looked at again at the next consistent
    /// revision.
    var difference: (RevisionMerge.Difference, at: ConsistentPoint)?
    /// What was recorded because an older entry of its key is still there.
    var followers: Set<ClosedRange<Revision>> = []
    /// What was recorded to be there against the rules.
    var sightings: Set<ClosedRange<Revision>> = []
    /// Whether the bucket counts other entries than the archive does, and nothing explains it.
    var isUnexplained = false
    /// What the archive holds at the consistent revision, all in all, after removals were accounted for.
    var totals: StateTotals?
    /// The same entry by entry, where it had to be found.
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
        if !options.follows { try await shortenLog() }
        guard let source = try await sourceCount(at: consistent.revision) else { return false }
        let search = RemovalSearch(
            bucket,
            reader: try writer.reader(),
            incarnation: incarnation,
            mostListedGaps: options.mostListedGaps
        )
        if removals.difference == nil, let totals = try await agreedTotals(at: consistent.revision, source, search) {
            removals.isUnexplained = false
            try settle(totals, nil, isAgreed: true)
            return true
        }
        let expected = try await search.expected(at: consistent.revision, asOf: consistent.time)
        if let difference = removals.difference {
            removals.difference = nil
            // What is known to be gone may have made room for something that was thought to be driven out.
            if try record(difference.0, at: difference.at, expected, search) { return false }
        } else if let difference = try await self.difference(from: expected, source, search) {
            removals.difference = (
                difference, at: ConsistentPoint(revision: consistent.revision, time: consistent.time)
            )
            return false
        }
        removals.isUnexplained =
            expected.recentlyExpired == 0 && UInt64(clamping: expected.entries) != source.messages
        try settle(expected.totals, expected, isAgreed: search.agrees(expected, source))
        return true
    }

    /// The totals that the bucket should have, reckoned from what changed since it last agreed with the archive, if it
    /// has them.
    ///
    /// Where its gaps are few enough to be listed, each entry is looked at instead.
    private func agreedTotals(
        at revision: Revision,
        _ source: RemovalSearch.SourceCount,
        _ search: RemovalSearch
    ) async throws -> StateTotals? {
        guard isCountedOnly, let totals = try await search.changedTotals(at: revision), search.matches(totals, source)
        else { return nil }
        return totals
    }

    /// Whether of the bucket only counts are held against the archive's, unless they differ.
    private var isCountedOnly: Bool { incarnation.filter.isEmpty && state.gaps > options.mostListedGaps }

    /// The consistent revision is accounted for; the state is what was found for that, if it was.
    private mutating func settle(_ totals: StateTotals, _ found: BucketState?, isAgreed: Bool) throws {
        guard let consistent else { return }
        let point = ConsistentPoint(revision: consistent.revision, time: consistent.time)
        if isAgreed, isCountedOnly { try writer.recordTotals(totals, incarnation.id, at: point) }
        removals.source = state
        counted = point
        removals.totals = totals
        removals.state = options.follows ? nil : found
        prove()
    }

    /// How the bucket differs from what is expected; nil if nothing speaks for that.
    private mutating func difference(
        from expected: BucketState,
        _ source: RemovalSearch.SourceCount,
        _ search: RemovalSearch
    ) async throws -> RevisionMerge.Difference? {
        let listed = listedGaps
        listedGaps = nil
        switch try await search.difference(from: expected, gapsOf: state, listed: listed) {
        case .difference(let difference): return difference == RevisionMerge.Difference() ? nil : difference
        case .tooMany: if search.agrees(expected, source) { return nil }
        case .contradictory: break
        }
        let patience = options.patience
        let difference = try await withoutWatch { try await search.difference(from: expected, patience: patience) }
        return difference == RevisionMerge.Difference() ? nil : difference
    }

    /// What the server counts of the keys that are captured; nil if more of them came meanwhile.
    private func sourceCount(at revision: Revision) async throws -> RemovalSearch.SourceCount? {
        guard !incarnation.filter.isEmpty else {
            return RemovalSearch.SourceCount(messages: state.messages, bytes: state.bytes)
        }
        var messages = 0
        for (pattern, times) in KeyPattern.countingTerms(incarnation.filter) ?? [:] {
            let count = try await bucket.context.countMessages(
                bucket.name.streamName,
                subject: bucket.subjectPrefix + pattern.description
            )
            messages += times * Int(clamping: count)
        }
        guard try await bucket.holdsNothing(of: incarnation.filter, after: revision) else { return nil }
        return RemovalSearch.SourceCount(messages: UInt64(clamping: messages), bytes: nil)
    }

    /// Records what vanished, as far as nothing that came since explains it, and what stays although it had expired;
    /// answers whether there was anything new.
    private mutating func record(
        _ difference: RevisionMerge.Difference,
        at point: ConsistentPoint,
        _ expected: BucketState,
        _ search: RemovalSearch
    ) throws -> Bool {
        guard let consistent else { return false }
        let confirmed = try search.confirm(difference.missing, in: expected)
        let surplus = try search.explain(difference.surplus, expected)
        // What is there and was thought to be driven out was not, because something else had vanished before.
        let followers = try expected.followers(of: surplus.unexplained)
            .filter { !removals.followers.contains($0) }
        // Where nothing had vanished, the server keeps more than its settings say: 2.9 does after some purges.
        let sightings = (surplus.survivors + (followers.isEmpty && confirmed.count == 0 ? surplus.unexplained : []))
            .filter { !removals.sightings.contains($0) }
        guard confirmed.count > 0 || !followers.isEmpty || !sightings.isEmpty else { return false }
        try writer.recordSightings(incarnation.id, sightings, at: point)
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
        removals.sightings.formUnion(sightings)
        return true
    }
}
