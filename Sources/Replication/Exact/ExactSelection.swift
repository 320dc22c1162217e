import Archive
import KVModel

/// Which entries of a state a new bucket of some settings would hold now: what an exact restore sends.
///
/// Left out is what has expired since the state was captured, and of each key the oldest entries beyond the history
/// setting. The server would drop these by itself, but it would do so after its answer, in the entries format without
/// a trace, and with markers: what was sent could not be held against what it says that it has.
struct ExactSelection: Sendable {
    /// As of when expiry is reckoned.
    private(set) var now: Timestamp
    /// Whether entries' own TTLs count: if the source heeded them, or the target will.
    let heedsEntryTTL: Bool
    private let maximumAge: Int64
    /// Of keys with more entries than the history setting allows, how many are still to be left out.
    private var surplus: [Key: UInt32] = [:]

    /// Decides for a state; walks through it if its keys may have more entries than the target keeps.
    init(
        _ state: BucketState,
        archived: BucketConfiguration,
        wanted: BucketConfiguration,
        mayExceedHistory: Bool,
        now: Timestamp
    ) throws {
        self.now = now
        heedsEntryTTL = archived.allowsEntryTTL || wanted.allowsEntryTTL
        maximumAge = wanted.ttl
        guard mayExceedHistory, wanted.history > 0 else { return }
        var counts: [Key: UInt32] = [:]
        try state.forEachOutline { entry, _ in
            guard !isExpired(entry) else { return }
            counts[Key(bytes: Array(entry.key)), default: 0] += 1
        }
        let history = UInt32(clamping: wanted.history)
        surplus = counts.compactMapValues { $0 > history ? $0 - history : nil }
    }

    /// The same at another time.
    func asOf(_ time: Timestamp) -> ExactSelection {
        var copy = self
        copy.now = time
        return copy
    }

    /// What becomes of an entry.
    enum Verdict: Equatable {
        case taken
        case expired
        /// Newer entries take its place in the key's history.
        case beyondHistory
    }

    /// Judges the next entry; entries come in revision order, each once.
    mutating func judge(_ entry: EntryView) -> Verdict {
        guard !isExpired(entry) else { return .expired }
        guard !surplus.isEmpty else { return .taken }
        let key = Key(bytes: Array(entry.key))
        guard let left = surplus[key] else { return .taken }
        surplus[key] = left > 1 ? left - 1 : nil
        return .beyondHistory
    }

    private func isExpired(_ entry: EntryView) -> Bool {
        let own = entry.lifetime(isHeeded: heedsEntryTTL)
        guard let expiry = EntryLifetime.expiry(of: entry.time, own: own, maximumAge: maximumAge) else { return false }
        return expiry <= now
    }
}
