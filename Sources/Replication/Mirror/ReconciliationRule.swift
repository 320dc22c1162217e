import KVModel

/// The newest entry of a key on one side of a mirror, without its bytes.
struct MirroredEntry: Sendable {
    /// Its revision on that side.
    var revision: Revision
    /// When it was stored there.
    var time: Timestamp
    /// Whether the key has a value.
    var isPut: Bool
    /// Whether the server left it when the key's time was over.
    var isServerMarker: Bool
    /// Which entry of the other side it says it is; nil if it does not.
    var named: Revision?
    /// Value and headers as a number.
    var fingerprint: UInt64
    /// Its own TTL.
    var lifetime: EntryLifetime?

    /// An entry whose counterpart is in a bucket of this identity.
    init(_ entry: EntryView, of other: ReplayIdentity) {
        revision = entry.revision
        time = entry.time
        isPut = entry.operation == .put
        isServerMarker = HeaderBlock.value(of: "Nats-Marker-Reason", in: entry.headers) != nil
        named = other.revision(in: entry.headers)
        lifetime = EntryLifetime(headers: entry.headers)
        let merged = MergeEntry(entry, in: other)
        fingerprint = merged.fingerprint
        // A repair names its original otherwise: see `Reconciliation`.
        if named == nil, HeaderBlock.value(of: "Cistern-Origin", in: entry.headers) != nil,
            merged.origin.source == other.number
        {
            named = merged.origin.revision
        }
    }

    init(revision: Revision, isPut: Bool, fingerprint: UInt64, named: Revision? = nil) {
        self.revision = revision
        time = Timestamp(nanoseconds: 0)
        self.isPut = isPut
        isServerMarker = false
        self.named = named
        self.fingerprint = fingerprint
    }
}

/// Says of a key, from the newest entry of each side, whether the target has what the mirror must have brought: pure.
struct ReconciliationRule: Sendable {
    /// What is newer than this revision of the source is not judged.
    var beginning: Revision
    /// Whether deletes travel.
    var deletes = true
    /// Whether the target must have the source's revisions.
    var preservesRevisions = false
    /// When entries expire in the source.
    var source = Lifetimes()
    /// When entries expire in the target.
    var target = Lifetimes()

    /// What a bucket's settings say of the time that entries have.
    struct Lifetimes: Sendable, Hashable {
        /// The bucket's TTL in nanoseconds, 0 for none.
        var maximumAge: Int64 = 0
        /// Whether an entry's own TTL counts.
        var allowsOwn = false

        /// When an entry of this time expires; nil if it does not.
        func expiry(of entry: MirroredEntry) -> Timestamp? {
            EntryLifetime.expiry(of: entry.time, own: allowsOwn ? entry.lifetime : nil, maximumAge: maximumAge)
        }
    }

    /// What is found of a key.
    enum Verdict: Hashable {
        /// Both say the same, or are not meant to.
        case equal
        /// It was written since the comparison began.
        case newer
        /// Its time is over, or just running out.
        case expired
        /// It differs, or was written by others.
        case found(ReconciliationFinding.Kind)
    }

    /// Servers look for what has expired once a second, and whole seconds are all that a TTL can say.
    static let slack: Int64 = 3_000_000_000

    /// Judges; without a time nothing expires.
    func verdict(source: MirroredEntry?, target: MirroredEntry?, at now: Timestamp? = nil) -> Verdict {
        if let source, source.revision > beginning { return .newer }
        if let named = target?.named, named > beginning { return .newer }
        // What came from the target is for the mirror in the other direction.
        if let source, source.named != nil { return .equal }
        let value = source.flatMap { $0.isPut ? $0 : nil }
        let held = target.flatMap { $0.isPut ? $0 : nil }
        switch (value, held) {
        case (nil, nil):
            return .equal
        case (nil, let held?):
            return gone(source, held, now)
        case (let value?, nil):
            if isOver(value, now) { return .expired }
            guard let target, !target.isServerMarker, target.named == nil else { return .found(.missing) }
            return .found(.foreign)
        case (let value?, let held?):
            if agree(value, held) { return .equal }
            if isOver(value, now) { return .expired }
            return .found(held.named == nil ? .foreign : .different)
        }
    }

    /// Judges a key that has no value in the source.
    private func gone(_ source: MirroredEntry?, _ held: MirroredEntry, _ now: Timestamp?) -> Verdict {
        if source == nil, held.named == nil { return .found(.additional) }
        guard deletes else { return .equal }
        let isMarked = source.map { !$0.isServerMarker } ?? false
        if !isMarked, let now, let expiry = target.expiry(of: held), expiry <= now.adding(nanoseconds: Self.slack) {
            return .expired
        }
        return .found(held.named == nil ? .foreign : .leftover)
    }

    private func agree(_ value: MirroredEntry, _ held: MirroredEntry) -> Bool {
        guard value.fingerprint == held.fingerprint else { return false }
        if preservesRevisions, held.revision != value.revision { return false }
        return held.named == nil || held.named == value.revision
    }

    /// Whether a value's time, in the source or as the target counts it, is over or just running out.
    private func isOver(_ value: MirroredEntry, _ now: Timestamp?) -> Bool {
        guard let now else { return false }
        return [source.expiry(of: value), target.expiry(of: value)].contains { expiry in
            expiry.map { $0 <= now.adding(nanoseconds: Self.slack) } ?? false
        }
    }
}
