import KVModel

/// The newest entries of a part of a mirror's keys, both sides held against each other as they are read: pure.
///
/// It keeps numbers of the keys, not the keys. What seems to differ is a suspicion, which a look at the key itself has
/// to confirm; that two keys have one number is one more reason for a suspicion, not for a wrong answer.
struct ReconciliationTable {
    /// Why a part has to be divided.
    struct Overflow: Error {}

    /// What has to be looked at again.
    enum Suspect: Sendable, Hashable {
        /// The key of this revision of the source.
        case source(Revision)
        /// This key of the target, which the source seems not to have.
        case target(Key)
    }

    /// What the table says when both sides have been read.
    struct Tally: Sendable {
        var equal: UInt64 = 0
        var newer: UInt64 = 0
        var additional: UInt64 = 0
        /// The first of the additional keys.
        var examples: [ReconciliationFinding] = []
        var suspects: [Suspect] = []
    }

    private enum State: UInt8 {
        case unseen
        case equal
        case newer
        case suspect
        case leftover
        case additional
    }

    private struct Slot {
        var source: Revision = 0
        var target: Revision = 0
        var fingerprint: UInt64 = 0
        var isPut = false
        /// Whether the source's entry came from the target.
        var isReturned = false
        var state = State.unseen
    }

    private let rule: ReconciliationRule
    private let capacity: Int
    private var slots: [Int: Slot] = [:]
    private var leftovers: [Int: Key] = [:]
    private var additional: [Int: ReconciliationFinding] = [:]

    /// Keys that only the target has are held themselves: of them there may be fewer.
    private var leftoverCapacity: Int { max(1, capacity / 10) }

    init(_ rule: ReconciliationRule, capacity: Int) {
        self.rule = rule
        self.capacity = capacity
    }

    /// The number of a key.
    static func number(_ key: UnsafeRawBufferPointer) -> Int {
        var hasher = Hasher()
        hasher.combine(bytes: key)
        return hasher.finalize()
    }

    /// Takes an entry of the source, whose key has this number in the target.
    mutating func takeSource(_ number: Int, _ entry: MirroredEntry) throws {
        var slot = slots[number] ?? Slot()
        guard slot.source < entry.revision else { return }
        slot.source = entry.revision
        slot.fingerprint = entry.fingerprint
        slot.isPut = entry.isPut
        slot.isReturned = entry.named != nil
        slots[number] = slot
        if slots.count > capacity { throw Overflow() }
    }

    /// Takes an entry of the target; `key` is asked for only if it must be held.
    mutating func takeTarget(_ number: Int, _ entry: MirroredEntry, key: () -> Key) throws {
        var slot = slots[number] ?? Slot()
        guard slot.target < entry.revision else { return }
        if slot.source == 0 {
            // An older entry of this key may have stood here.
            leftovers[number] = nil
            additional[number] = nil
            guard entry.isPut || slots[number] != nil else { return }
        }
        slot.target = entry.revision
        switch rule.verdict(source: source(slot), target: entry) {
        case .equal, .expired: slot.state = .equal
        case .newer: slot.state = .newer
        case .found(.additional):
            slot.state = .additional
            if additional.count < ReconciliationReport.exampleLimit {
                additional[number] = ReconciliationFinding(
                    kind: .additional,
                    key: key(),
                    targetRevision: entry.revision
                )
            }
        case .found where slot.source == 0:
            slot.state = .leftover
            leftovers[number] = key()
        case .found: slot.state = .suspect
        }
        slots[number] = slot
        if slots.count > 2 * capacity || leftovers.count > leftoverCapacity { throw Overflow() }
    }

    /// What was found.
    consuming func finish() -> Tally {
        var tally = Tally()
        tally.examples = additional.values.sorted { $0.key < $1.key }
        tally.suspects = leftovers.values.map { .target($0) }
        for slot in slots.values {
            switch slot.state {
            case .equal: tally.equal += 1
            case .newer: tally.newer += 1
            case .additional: tally.additional += 1
            case .leftover: break
            case .suspect: tally.suspects.append(.source(slot.source))
            case .unseen:
                switch rule.verdict(source: source(slot), target: nil) {
                case .equal, .expired: tally.equal += 1
                case .newer: tally.newer += 1
                case .found: tally.suspects.append(.source(slot.source))
                }
            }
        }
        return tally
    }

    private func source(_ slot: Slot) -> MirroredEntry? {
        guard slot.source > 0 else { return nil }
        return MirroredEntry(
            revision: slot.source,
            isPut: slot.isPut,
            fingerprint: slot.fingerprint,
            named: slot.isReturned ? 1 : nil
        )
    }
}
