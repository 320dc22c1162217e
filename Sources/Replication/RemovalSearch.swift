import Archive
import JetStream
import KVModel
import KeyValue

/// Finds the entries that vanished from a bucket without an entry saying so: expired before their time by an operator's
/// hand, compacted away, deleted message by message, purged with the stream.
///
/// A bucket with few gaps says which revisions it holds in one answer. Of another one the stream's count of messages,
/// and their size, are held against what the archive expects at the same moment; only if they differ, or just expired
/// entries leave it open, are all its revisions read, without values. Either way they are merged with the archive's: both
/// come in order, so neither is held in memory, and what is missing is kept as ranges.
struct RemovalSearch {
    private let bucket: Bucket
    private let reader: ArchiveReader
    private let incarnation: Incarnation

    /// Up to so many gaps a server is asked for every one.
    private let mostListedGaps: UInt64

    /// What a server counts of the keys that are captured.
    struct SourceCount {
        var messages: UInt64
        /// Nil where it is not known: of some keys servers count messages only.
        var bytes: UInt64?
    }

    init(
        _ bucket: Bucket,
        reader: ArchiveReader,
        incarnation: Incarnation,
        mostListedGaps: UInt64 = Capture.Options().mostListedGaps
    ) {
        self.bucket = bucket
        self.reader = reader
        self.incarnation = incarnation
        self.mostListedGaps = mostListedGaps
    }

    /// What the archive expects the bucket to hold at a revision and a time.
    func expected(at revision: Revision, asOf time: Timestamp) async throws -> BucketState {
        try await reader.scannedState(of: incarnation.id, at: revision, asOf: time)
    }

    /// The totals of that, where they can be reckoned from what changed since the bucket last agreed with the archive.
    func changedTotals(at revision: Revision) async throws -> StateTotals? {
        try await reader.reckonedTotals(of: incarnation.id, at: revision)
    }

    /// Whether what the server counts shows that nothing vanished: where something has just expired, it shows nothing.
    func agrees(_ state: BucketState, _ source: SourceCount) -> Bool {
        matches(state.totals, source) && state.recentlyExpired == 0
    }

    /// Whether the server counts as many messages, and bytes, as these are.
    ///
    /// Entries of which as many came as vanished leave the count as it was; hardly ever the size as well.
    func matches(_ totals: StateTotals, _ source: SourceCount) -> Bool {
        guard source.messages == UInt64(clamping: totals.entries) else { return false }
        return source.bytes.map { $0 == UInt64(clamping: storedSize(totals)) } ?? true
    }

    /// What servers from 2.9 to 2.15 count for such messages: with each, its subject and what frames it.
    private func storedSize(_ totals: StateTotals) -> Int {
        let subjects = totals.entries * bucket.subjectPrefix.utf8.count
        let frames =
            bucket.configuration.storage == "memory"
            ? totals.entries * 16 : totals.entries * 30 + totals.headedEntries * 4
        return totals.bytes + subjects + frames
    }

    /// What the gaps between a bucket's messages say.
    enum GapAnswer {
        /// How the bucket differs.
        case difference(RevisionMerge.Difference)
        /// There are too many to ask for.
        case tooMany
        /// The server lists another number of gaps than its counts leave: after some purges 2.9 miscounts for ever.
        case contradictory
    }

    /// What the bucket holds otherwise now than a state does, from the gaps between its messages.
    ///
    /// Some revisions may be missing because later entries drove them out: look at them again with `confirm` at a
    /// later consistent revision.
    func difference(
        from state: BucketState,
        gapsOf source: StreamInfo.State,
        listed: [UInt64]? = nil
    ) async throws -> GapAnswer {
        guard source.gaps <= mostListedGaps else { return .tooMany }
        var (source, gaps) = (source, listed ?? [])
        if listed == nil {
            let answer = try await bucket.context.streamGaps(bucket.name.streamName)
            guard answer.info.created == bucket.info.created else { return .contradictory }
            (source, gaps) = (answer.info.state, answer.gaps)
        }
        guard UInt64(gaps.count) == source.gaps else { return .contradictory }
        var merge = RevisionMerge(expected: state.makeRevisionCursor(), through: state.revision)
        var next = 0
        var revision = max(1, source.firstSequence)
        while revision <= min(state.revision, source.lastSequence) {
            if next < gaps.count, gaps[next] == revision {
                next += 1
            } else {
                try merge.take(revision)
            }
            revision += 1
        }
        var difference = try merge.finish()
        // Other keys are none of this archive's.
        if !incarnation.filter.isEmpty {
            let archived = try await reader.scannedState(of: incarnation.id, at: state.revision, historyMode: .full)
            difference.surplus = try Self.parts(of: difference.surplus, archived).held
        }
        return .difference(difference)
    }

    /// The same, from all revisions of the bucket, read without their values.
    func difference(from state: BucketState, patience: Duration?) async throws -> RevisionMerge.Difference {
        var merge = RevisionMerge(expected: state.makeRevisionCursor(), through: state.revision)
        var options = WatchOptions()
        options.headersOnly = true
        if !incarnation.filter.isEmpty { options.patterns = incarnation.filter }
        options.patience = patience
        options.created = bucket.info.created
        try await bucket.read(options, through: state.revision) { batch in
            try batch.forEachEntry { try merge.take($0.revision) }
        }
        return try merge.finish()
    }

    /// What is there that a state does not hold, by what becomes of it.
    struct Surplus {
        /// Their time was over once, but they were kept until the settings changed: they stay.
        var survivors: [ClosedRange<Revision>]
        /// Something that came later under their keys was thought to have driven them out, and had not.
        var unexplained: [ClosedRange<Revision>]
        // All others have just expired: servers look for that about once a second.
    }

    /// Tells why a state does not hold what is there.
    func explain(_ surplus: [ClosedRange<Revision>], _ state: BucketState) throws -> Surplus {
        guard !surplus.isEmpty else { return Surplus(survivors: [], unexplained: []) }
        let unexpired = try withoutExpiry(of: surplus, state, asOf: state.time)
        let (expired, unexplained) = try Self.parts(of: surplus, unexpired)
        guard !expired.isEmpty else { return Surplus(survivors: [], unexplained: unexplained) }
        // A moment later they are there only if the settings of now let them live.
        let later = try withoutExpiry(of: surplus, state, asOf: state.time.adding(nanoseconds: 1))
        return Surplus(survivors: try Self.parts(of: expired, later).held, unexplained: unexplained)
    }

    private func withoutExpiry(
        of revisions: [ClosedRange<Revision>],
        _ state: BucketState,
        asOf time: Timestamp
    ) throws -> BucketState {
        try reader.state(
            of: incarnation.id,
            at: state.revision,
            asOf: time,
            withoutExpiryOf: revisions,
            until: state.time
        )
    }

    /// Revisions, parted by whether a state holds them.
    private static func parts(
        of revisions: [ClosedRange<Revision>],
        _ state: BucketState
    ) throws -> (held: [ClosedRange<Revision>], others: [ClosedRange<Revision>]) {
        var cursor = state.makeRevisionCursor()
        var next = try cursor.next()
        var held = RevisionRanges()
        var others = RevisionRanges()
        for range in revisions {
            held.close()
            others.close()
            for revision in range {
                while let candidate = next, candidate < revision { next = try cursor.next() }
                if next == revision {
                    held.add(revision)
                    others.close()
                } else {
                    others.add(revision)
                    held.close()
                }
            }
        }
        return (held.ranges, others.ranges)
    }

    /// Those of the missing revisions that a later state still expects: nothing that came since explains their absence.
    func confirm(_ missing: [ClosedRange<Revision>], in state: BucketState) throws -> RevisionRanges {
        var confirmed = RevisionRanges()
        var cursor = state.makeRevisionCursor()
        var next = 0
        while let revision = try cursor.next() {
            while next < missing.count, missing[next].upperBound < revision {
                // Between two ranges something is there, expected or not.
                confirmed.close()
                next += 1
            }
            if next < missing.count, missing[next].contains(revision) {
                confirmed.add(revision)
            } else {
                confirmed.close()
            }
        }
        return confirmed
    }
}

/// Revisions in ascending order, neighbours of a list joined to ranges.
struct RevisionRanges: Equatable {
    private(set) var ranges: [ClosedRange<Revision>] = []
    /// How many revisions were added.
    private(set) var count = 0
    private var isOpen = false

    /// Adds the next revision of the list.
    mutating func add(_ revision: Revision) {
        count += 1
        if isOpen, let last = ranges.last {
            ranges[ranges.count - 1] = last.lowerBound...revision
        } else {
            ranges.append(revision...revision)
            isOpen = true
        }
    }

    /// The next revision of the list is not one of these.
    mutating func close() {
        isOpen = false
    }
}

/// The merge of the revisions that are expected with those that are there.
struct RevisionMerge {
    /// How the two differ.
    struct Difference: Equatable {
        /// Every expected revision in one of these ranges is not there.
        var missing: [ClosedRange<Revision>] = []
        /// Every revision in one of these ranges is there, and not expected.
        var surplus: [ClosedRange<Revision>] = []
    }

    private var expected: RevisionCursor
    private let last: Revision
    private var next: Revision?
    private var hasStarted = false
    private var missing = RevisionRanges()
    private var surplus: [ClosedRange<Revision>] = []

    /// A merge of what is expected up to a revision.
    init(expected: RevisionCursor, through last: Revision) {
        self.expected = expected
        self.last = last
    }

    /// Takes the next revision that is there.
    mutating func take(_ revision: Revision) throws {
        try start()
        while let wanted = next, wanted < revision {
            missing.add(wanted)
            next = try expected.next()
        }
        missing.close()
        if next == revision {
            next = try expected.next()
        } else if revision <= last {
            if let range = surplus.last, range.upperBound + 1 == revision {
                surplus[surplus.count - 1] = range.lowerBound...revision
            } else {
                surplus.append(revision...revision)
            }
        }
    }

    /// There are no more.
    mutating func finish() throws -> Difference {
        try start()
        while let wanted = next {
            missing.add(wanted)
            next = try expected.next()
        }
        return Difference(missing: missing.ranges, surplus: surplus)
    }

    private mutating func start() throws {
        guard !hasStarted else { return }
        hasStarted = true
        next = try expected.next()
    }
}
