public import Archive
import JetStream
public import KVModel
public import KeyValue

/// Holds a live bucket against an archived state, entry by entry, without holding either in memory.
///
/// Both are read in the order of revisions and merged. A bucket that was restored by replay has other revisions; its
/// entries name the archived ones. One that was restored exactly has the archived revisions and times, which must be
/// equal as well. An archived entry that the bucket does not hold any more is no difference if newer
/// entries of its key pushed it out (history limit, purge) or its time was over.
public struct LiveComparison: Sendable {
    private let bucket: Bucket
    private let incarnation: Incarnation
    private let filter: [KeyPattern]
    private let mapping: KeyMapping
    private let patience: Duration?
    private let basis: Basis

    /// By what an entry of the bucket and an archived one are known to be the same.
    public enum Basis: Sendable, Hashable {
        /// By what the bucket's first entry shows.
        case asFound
        /// By the revision: the bucket is the archived one, or was restored exactly.
        case revisions
        /// By the archived revision that the entry names: the bucket was restored by replay.
        case names
    }

    /// A comparison of a bucket with what the archive holds of an incarnation.
    ///
    /// `filter` chooses among the archive's keys; `mapping` says what they are called in the bucket.
    public init(
        _ bucket: Bucket,
        _ incarnation: Incarnation,
        filter: [KeyPattern] = [],
        mapping: KeyMapping = .identity,
        patience: Duration? = .seconds(120),
        basis: Basis = .asFound
    ) {
        self.bucket = bucket
        self.incarnation = incarnation
        self.filter = filter
        self.mapping = mapping
        self.patience = patience
        self.basis = basis
    }

    /// Compares; `progress` is told how many entries were compared.
    public func run(
        _ state: BucketState,
        at revision: Revision,
        progress: @Sendable (UInt64) -> Void = { _ in }
    ) async throws -> ComparisonReport {
        // As it is now, not as it was when somebody opened it: reading ends where the bucket ends now.
        let bucket = try await bucket.refreshed()
        var merge = try ComparisonMerge(
            state: state,
            revision: revision,
            configuration: bucket.configuration,
            identity: ReplayIdentity(incarnation),
            mapping: mapping,
            basis: basis
        )
        if basis == .asFound, bucket.info.created == incarnation.created, !merge.report.isUnfinishedRestore {
            merge.settle(.revisions)
        }
        var options = WatchOptions()
        options.patience = patience
        options.created = self.bucket.info.created
        // The filter speaks of the names that keys have in the archive; what else the bucket holds names no revision.
        // A bucket that was just restored holds nothing else.
        let wanted = filter.isEmpty && basis == .asFound ? incarnation.filter : filter
        let patterns = wanted.isEmpty || !mapping.isIdentity ? [.all] : wanted
        options.patterns = patterns
        // Of a bucket that was captured in part, the archive knows nothing of other keys.
        let captured = mapping.isIdentity && !filter.isEmpty ? incarnation.filter : []
        var throttle = Throttle(bytesPerSecond: nil)
        // Reading ends where the bucket ended when it was opened: a busy bucket has no other end.
        try await bucket.read(options, through: bucket.info.state.lastSequence) { batch in
            var bytes = 0
            try batch.forEachEntry { entry in
                bytes += entry.key.count + entry.headers.count + entry.value.count
                guard captured.isEmpty || captured.contains(where: { $0.matches(entry.key) }) else { return }
                try merge.take(entry)
            }
            progress(merge.report.equal)
            try await throttle?.pass(bytes)
        }
        return try merge.finish()
    }
}

/// The merge of an archived state with a live bucket's entries.
struct ComparisonMerge {
    private(set) var report: ComparisonReport
    private var cursor: StateCursor
    private var queue: [Entry] = []
    private var head = 0
    private var isAtEnd = false
    private let revision: Revision
    private let configuration: BucketConfiguration
    private let isTTLHeeded: Bool
    private let identity: ReplayIdentity
    private let mapping: KeyMapping
    /// Not settled before the first entry has been seen.
    private var basis: LiveComparison.Basis
    private let isGiven: Bool
    private var missing: [Key: [Missing]] = [:]

    private struct Missing {
        var revision: Revision
        var expiry: Timestamp?
        var newer = 0
        var isPurged = false
    }

    init(
        state: BucketState,
        revision: Revision,
        configuration: BucketConfiguration,
        identity: ReplayIdentity,
        mapping: KeyMapping = .identity,
        basis: LiveComparison.Basis
    ) throws {
        report = ComparisonReport(revision: revision)
        report.isUnfinishedRestore = RestoreMarker(configuration) != nil
        cursor = state.makeCursor()
        self.revision = revision
        self.configuration = configuration
        isTTLHeeded = try state.heedsEntryTTL
        self.identity = identity
        self.mapping = mapping
        self.basis = basis
        isGiven = basis != .asFound
        settle(basis)
    }

    /// Entries are known by this from now on.
    mutating func settle(_ basis: LiveComparison.Basis) {
        self.basis = basis
        report.comparesRevisions = basis == .revisions
    }

    private var replayed: Bool { basis == .names }

    /// Takes the bucket's next entry.
    mutating func take(_ entry: EntryView) throws {
        var named = identity.revision(in: entry.headers)
        if named != nil, !isGiven { settle(.names) }
        if basis == .asFound { settle(try findBasis(entry)) }
        if named == nil { named = try unnamedRevision(entry) }
        guard let source = replayed ? named : entry.revision, source <= revision else {
            report.newer += 1
            noteNewer(entry)
            return
        }
        while let archived = try peek(), archived.revision < source {
            lack(archived)
            head += 1
        }
        guard let archived = try peek(), archived.revision == source else {
            report.add(.unexpected, Key(bytes: Array(entry.key)), source)
            noteNewer(entry)
            return
        }
        head += 1
        let what = differences(archived, entry)
        if what.isEmpty { report.equal += 1 } else { report.add(.changed, archived.key, archived.revision, what) }
        noteNewer(entry)
    }

    /// Whether the archive has an entry of the bucket's first revision and time; entries before it may be gone by now.
    private mutating func findBasis(_ entry: EntryView) throws -> LiveComparison.Basis {
        var probe = cursor
        while let run = try probe.next() {
            var time: Timestamp?
            var isBeyond = false
            try run.forEachEntry { archived in
                if archived.revision == entry.revision { time = archived.time }
                if archived.revision >= entry.revision { isBeyond = true }
            }
            if isBeyond { return time == entry.time ? .revisions : .names }
        }
        return .names
    }

    /// The archived revision of a replayed entry that was too large to say it: the next one, if its bytes are the same.
    private mutating func unnamedRevision(_ entry: EntryView) throws -> Revision? {
        guard replayed, entry.value.count > Self.largeValue, let archived = try peek(),
            differences(archived, entry).isEmpty
        else { return nil }
        return archived.revision
    }

    private static let largeValue = 64 << 10

    /// The bucket has no more.
    mutating func finish() throws -> ComparisonReport {
        while let archived = try peek() {
            lack(archived)
            head += 1
        }
        let now = Timestamp.wallClock()
        for (key, entries) in missing.sorted(by: { $0.key < $1.key }) {
            for entry in entries {
                if entry.isPurged || configuration.history > 0 && entry.newer >= configuration.history {
                    report.superseded += 1
                } else if let expiry = entry.expiry, expiry <= now {
                    report.expired += 1
                } else {
                    report.add(.missing, key, entry.revision)
                }
            }
        }
        return report
    }

    private mutating func lack(_ entry: Entry) {
        // A replay leaves out TTLs without effect; restored exactly, the bucket's own server goes by them.
        let isHeeded = isTTLHeeded || !replayed && configuration.allowsEntryTTL
        let own = entry.withView { $0.lifetime(isHeeded: isHeeded) }
        let expiry = EntryLifetime.expiry(of: entry.time, own: own, maximumAge: configuration.ttl)
        missing[entry.key, default: []].append(Missing(revision: entry.revision, expiry: expiry))
    }

    private mutating func noteNewer(_ entry: EntryView) {
        guard !missing.isEmpty else { return }
        let key = Key(bytes: Array(entry.key))
        guard var entries = missing[key] else { return }
        let isRollup = HeaderBlock.value(of: "Nats-Rollup", in: entry.headers) != nil
        for index in entries.indices {
            entries[index].newer += 1
            if isRollup { entries[index].isPurged = true }
        }
        missing[key] = entries
    }

    private func differences(_ archived: Entry, _ live: EntryView) -> [String] {
        var what: [String] = []
        if !archived.key.bytes.elementsEqual(live.key) { what.append("key") }
        if archived.operation != live.operation { what.append("operation") }
        if !replayed, archived.time != live.time { what.append("time") }
        if !headersAgree(archived, live) { what.append("headers") }
        if !archived.value.elementsEqual(live.value) { what.append("value") }
        return what
    }

    private func headersAgree(_ archived: Entry, _ live: EntryView) -> Bool {
        guard replayed else { return archived.headers.elementsEqual(live.headers) }
        return archived.headers.withUnsafeBytes {
            ReplayHeaders.carriedOver($0) == ReplayHeaders.carriedOver(live.headers)
        }
    }

    private mutating func peek() throws -> Entry? {
        while head == queue.count, !isAtEnd {
            queue.removeAll(keepingCapacity: true)
            head = 0
            guard let run = try cursor.next() else {
                isAtEnd = true
                break
            }
            try run.forEachEntry { entry in
                queue.append(Entry(entry))
                if !mapping.isIdentity { queue[queue.count - 1].key = mapping.map(queue[queue.count - 1].key) }
            }
        }
        return head < queue.count ? queue[head] : nil
    }
}
