import KVModel

/// Revisions of which more is known than the entries say.
struct Removal: Sendable, Equatable {
    /// What is known of them.
    enum Fate: Sendable, Equatable {
        /// They vanished.
        case gone(RetainedEntries.Disappearance)
        /// They were seen to be there.
        case there(RetainedEntries.Sighting)
    }

    let revisions: ClosedRange<Revision>
    let fate: Fate
}

/// Which keys are asked for.
enum KeySelection: Sendable {
    case all
    case patterns([KeyPattern])
    case one(Key)
    /// One of several parts of about the same size that all keys fall into.
    case part(Int, of: Int)
    /// Each of these.
    case keys(ByteDictionary)

    init(_ patterns: [KeyPattern]) {
        self = patterns.isEmpty ? .all : .patterns(patterns)
        if patterns.count == 1, patterns[0].isLiteral { self = .one(Key(patterns[0].description)) }
    }

    /// The key, if only one is asked for.
    var key: Key? {
        if case .one(let key) = self { key } else { nil }
    }

    func contains(_ key: UnsafeRawBufferPointer, hash: UInt32) -> Bool {
        switch self {
        case .all: true
        case .patterns(let patterns): patterns.contains { $0.matches(key) }
        case .one(let wanted): wanted.bytes.withUnsafeBytes { $0.isSame(as: key) }
        case .keys(let keys): keys.find(key, hash: hash) != nil
        case .part(let part, let count): Self.part(of: hash, count) == part
        }
    }

    /// Which of several parts a key of this hash falls into.
    static func part(of hash: UInt32, _ count: Int) -> Int { Int((UInt64(hash) * UInt64(count)) >> 32) }
}

/// The first pass of a state: walks the segments in order, values left packed, and finds which entries it holds.
struct StateScan {
    private let incarnation: Incarnation
    private let revision: Revision
    private let selection: KeySelection
    private let mode: HistoryMode
    /// Whether of what is found only the newest entry of each key is asked for.
    private let newestOnly: Bool
    private let configurations: [ConfigurationRecord]
    /// When the revisions at which configurations were observed had been proved consistent.
    private let proved: [Revision: Timestamp]
    private let removals: [Removal]
    private var basis: StateBasis

    private var retained = RetainedEntries(policy: .unlimited)
    private var policies: [(revision: Revision, time: Timestamp, policy: RetainedEntries.Policy)] = []
    private var nextPolicy = 0
    /// When the newest configuration was observed, while it is not known whether it was in force yet.
    private var uncertainUntil: Timestamp?
    private var nextRemoval = 0
    private var openRemovals: [Removal] = []
    private var keys = ByteDictionary()
    private var kept: [KeptSegment] = []
    private var bases: [Int] = []
    private var scanned = 0
    private var lastTime: Timestamp?
    /// For the full history: its totals, and of each key whether the newest entry is a put.
    private var full = StateTotals()
    private var isPut: [Bool] = []
    /// What fetching ahead came upon: it says nothing, and keeps the compiler from leaving it out.
    private var fetched = 0
    private static let fetchedAtOnce = 64

    init(
        incarnation: Incarnation,
        revision: Revision,
        selection: KeySelection,
        mode: HistoryMode,
        newestOnly: Bool = false,
        basis: StateBasis,
        configurations: [ConfigurationRecord],
        proved: [Revision: Timestamp],
        removals: [Removal]
    ) {
        self.incarnation = incarnation
        self.revision = revision
        self.selection = selection
        self.mode = mode
        self.newestOnly = newestOnly
        self.basis = basis
        self.configurations = configurations
        self.proved = proved
        self.removals = removals
    }

    /// Reads the configurations; the first is taken to have been in force from the beginning.
    mutating func configure() throws {
        // What is written down of a point was replayed when it was.
        guard !basis.isRecorded else { return }
        policies = try configurations.map { ($0.revision, $0.time, try RetainedEntries.Policy(json: $0.json)) }
        guard let first = policies.first else { return }
        retained = RetainedEntries(policy: first.policy)
        nextPolicy = 1
    }

    /// Makes room for the entries of the segments to come, of which this many are asked for.
    mutating func reserve(_ entries: Int) {
        if mode != .full { retained.reserve(entries) }
    }

    /// Adds the next segment, of whose keys these are the hashes.
    mutating func add(_ row: SegmentRow, _ segment: DecodedSegment, hashes: [UInt32]) throws {
        guard scanned + segment.count < Int(UInt32.max) else {
            throw ArchiveError(.io("a state of more than four thousand million entries"), hint: "give a filter")
        }
        kept.append(KeptSegment(row))
        bases.append(scanned)
        let headers = (0..<segment.headers.count).map { index in
            segment.headers.withString(index) { bytes in
                (
                    rollup: RetainedEntries.Rollup(headers: bytes), lifetime: EntryLifetime(headers: bytes),
                    size: bytes.count
                )
            }
        }
        let numbers = self.numbers(of: segment.keys, hashes)
        while isPut.count < keys.count { isPut.append(false) }
        for index in 0..<segment.count {
            guard segment.revisions[index] <= revision else { break }
            if index % Self.fetchedAtOnce == 0 {
                let next = segment.keyReferences[index..<min(index + Self.fetchedAtOnce, segment.count)]
                fetched &+= retained.prefetch(next, numbers)
            }
            let key = numbers[Int(segment.keyReferences[index])]
            let reference = Int(segment.headerReferences[index])
            // Of other keys' entries most mean nothing here, and where keys are found in parts they are many.
            if key < 0, reference == 0, isSettled {
                lastTime = Timestamp(nanoseconds: segment.times[index])
                continue
            }
            let header = reference == 0 ? (.nothing, nil, 0) : headers[reference - 1]
            add(index, of: segment, key: key, header: header)
        }
        unmark()
        scanned += segment.count
    }

    /// Whether no configuration is waiting for an entry, and none has to be asked whether it counts.
    private var isSettled: Bool {
        guard nextPolicy >= policies.count, uncertainUntil == nil else { return false }
        return if case .everything = basis { true } else { false }
    }

    /// The numbers of a segment's keys; -1 for those that are not asked for.
    private mutating func numbers(of strings: ByteStrings, _ all: [UInt32]) -> [Int] {
        var numbers = [Int](repeating: -1, count: strings.count)
        var wanted: [Int] = []
        var hashes: [UInt32] = []
        wanted.reserveCapacity(strings.count)
        hashes.reserveCapacity(strings.count)
        // Told apart once: to ask the selection of each key copies what it holds as often.
        let isWanted: (Int) -> Bool
        switch selection {
        case .all: isWanted = { _ in true }
        case .part(let part, let count): isWanted = { KeySelection.part(of: all[$0], count) == part }
        case .keys(let keys):
            isWanted = { index in
                keys.holds(hash: all[index]) && strings.withString(index) { keys.find($0, hash: all[index]) != nil }
            }
        case .one, .patterns:
            isWanted = { [selection] index in strings.withString(index) { selection.contains($0, hash: all[index]) } }
        }
        for index in 0..<strings.count where isWanted(index) {
            wanted.append(index)
            hashes.append(all[index])
        }
        for place in wanted.indices {
            if place % Self.fetchedAtOnce == 0 {
                fetched &+= keys.prefetch(hashes[place..<min(place + Self.fetchedAtOnce, hashes.count)])
            }
            numbers[wanted[place]] = strings.withString(wanted[place]) { keys.insert($0, hash: hashes[place]) }
        }
        return numbers
    }

    private mutating func add(
        _ index: Int,
        of segment: DecodedSegment,
        key: Int,
        header: (rollup: RetainedEntries.Rollup, lifetime: EntryLifetime?, size: Int)
    ) {
        let entryRevision = segment.revisions[index]
        let time = Timestamp(nanoseconds: segment.times[index])
        if nextPolicy < policies.count || uncertainUntil != nil { changePolicies(before: entryRevision, at: time) }
        lastTime = time
        guard mode == .full || basis.admits(ascending: entryRevision) else { return }
        guard key >= 0 else {
            if header.rollup == .everything, mode != .full, entryRevision > basis.replaysAfter {
                retained.clearAll(entryRevision)
            }
            return
        }
        let isPut = segment.operations[index] == .put
        let keyBytes = segment.keys.range(Int(segment.keyReferences[index])).count
        let size = keyBytes + header.size + Int(segment.valueLengths[index])
        guard mode != .full else {
            kept[kept.count - 1].insert(index)
            full.entries += 1
            if header.size > 0 { full.headedEntries += 1 }
            full.bytes += size
            self.isPut[key] = isPut
            return
        }
        let fate = removals.isEmpty || basis.isRecorded ? (gone: nil, seen: nil) : fate(of: entryRevision)
        let entry = RetainedEntries.Stored(
            number: UInt32(scanned + index),
            key: key,
            revision: entryRevision,
            time: time,
            isPut: isPut,
            size: size,
            hasHeaders: header.size > 0,
            rollup: basis.isRecorded ? .nothing : header.rollup,
            lifetime: basis.isRecorded ? nil : header.lifetime,
            gone: fate.gone,
            seen: fate.seen
        )
        kept[kept.count - 1].insert(index)
        if entryRevision <= basis.replaysAfter { retained.hold(entry) } else { retained.store(entry) }
    }

    /// Takes over the configurations observed before a revision, and with `isAsOf` at it by a time.
    ///
    /// Of one that was observed later than that time it is not known whether it was in force yet: until then the one
    /// before it may be.
    private mutating func changePolicies(before revision: Revision, at time: Timestamp, isAsOf: Bool = false) {
        while nextPolicy < policies.count {
            let next = policies[nextPolicy]
            let isObserved = isAsOf && next.revision == revision && next.time <= time
            guard next.revision < revision || isObserved else { break }
            guard next.revision >= basis.replaysAfter else {
                // What it did is in what is written down.
                retained.replacePolicy(next.policy)
                nextPolicy += 1
                continue
            }
            settlePolicy(by: next.time)
            // Until the last entry, and until the point was proved, the one before was in force.
            var until = lastTime ?? Timestamp(nanoseconds: .min)
            if let proved = proved[next.revision], proved < next.time { until = max(until, proved) }
            retained.change(next.policy, alternative: retained.policy, after: next.revision, at: until)
            uncertainUntil = next.time
            nextPolicy += 1
        }
        settlePolicy(by: time)
    }

    /// The newest configuration is in force for certain if it was observed by this time.
    private mutating func settlePolicy(by time: Timestamp) {
        guard let observed = uncertainUntil, observed <= time else { return }
        // What was seen to be gone when this one was observed may have taken its place of the history before.
        retained.change(retained.policy, after: policies[nextPolicy - 1].revision, at: observed)
        uncertainUntil = nil
    }

    /// How an entry was first seen to be gone, and when it was last seen to be there; entries come in order, so do the
    /// removals.
    private mutating func fate(
        of entry: Revision
    ) -> (
        gone: RetainedEntries.Disappearance?, seen: RetainedEntries.Sighting?
    ) {
        while nextRemoval < removals.count, removals[nextRemoval].revisions.lowerBound <= entry {
            openRemovals.append(removals[nextRemoval])
            nextRemoval += 1
        }
        openRemovals.removeAll { $0.revisions.upperBound < entry }
        var seen: RetainedEntries.Sighting?
        for case .there(let other) in openRemovals.lazy.map(\.fate) where other.time >= seen?.time ?? other.time {
            seen = other
        }
        var gone: RetainedEntries.Disappearance?
        for case .gone(let other) in openRemovals.lazy.map(\.fate) {
            // What is gone does not come back: one that was seen later had not been gone.
            if let seen, !other.follows(seen) { continue }
            if other.seenAt < gone?.seenAt ?? .max || gone == nil { gone = other }
        }
        return (gone, seen)
    }

    /// Whether entries may expire, or have vanished.
    var isMortal: Bool { retained.isMortal }

    /// The totals at a point which no entry that was added lies behind, and all that come do.
    mutating func totals(at point: ConsistentPoint) -> StateTotals {
        changePolicies(before: point.revision, at: point.time, isAsOf: true)
        return retained.totals
    }

    /// Ends the pass: applies what holds at the revision and the time, and marks the entries that are left.
    mutating func finish(asOf time: Timestamp?) -> ScannedState {
        let time = time ?? lastTime ?? Timestamp(nanoseconds: 0)
        changePolicies(before: revision, at: time, isAsOf: true)
        var totals = full
        totals.keys = isPut.count { $0 }
        var recentlyExpired = 0
        if mode != .full {
            if retained.isMortal {
                retained.settle(revision: revision, time: time.adding(nanoseconds: -BucketState.expiryLag))
                let before = retained.totals.entries
                retained.settle(revision: revision, time: time)
                recentlyExpired = before - retained.totals.entries
            }
            if newestOnly { retained.keepLatest() }
            if mode == .latest { retained.keepLatestPuts() }
            totals = retained.totals
            unmark()
        }
        return ScannedState(
            incarnation: incarnation,
            revision: revision,
            time: time,
            totals: totals,
            recentlyExpired: recentlyExpired,
            mayExceedHistory: basis.isRecorded
                || removals.contains { if case .there = $0.fate { true } else { false } },
            configuration: configurations.last { $0.revision < revision || $0.revision == revision && $0.time <= time }
                ?? configurations.first,
            segments: kept
        )
    }

    /// Takes the mark from entries that went.
    private mutating func unmark() {
        for number in retained.takeReleased() {
            let number = Int(number)
            // The last base at or below the number is its segment's.
            var low = 0
            var high = bases.count
            while high - low > 1 {
                let middle = (low + high) / 2
                if bases[middle] <= number { low = middle } else { high = middle }
            }
            kept[low].remove(number - bases[low])
        }
    }
}
