import KVModel

/// What was read from the source and is not in the target yet, and what may be written next: pure.
///
/// Every key is a lane of its own: at most one write of it is on its way, and the next one expects the sequence that
/// was acknowledged for it, or that a look at the target found. Nothing is foretold: with another run at work the
/// sequence foretold may be another entry's. Entries come in batches, which are let go of in their order once all of
/// their entries are settled; `Batch` holds the bytes.
struct MirrorWindow<Batch> {
    /// An entry as the window needs to know it.
    struct Item: Sendable {
        /// Its place in its batch.
        var index: Int
        /// The key that it gets.
        var key: KeyDigest
        /// Its revision in the source.
        var revision: Revision
        /// When the source stored it.
        var time: Timestamp
        /// Whether it drops every earlier entry of its key.
        var isRollup = false
    }

    /// Where an item stands.
    struct Place: Hashable, Sendable {
        fileprivate var batch: Int
        fileprivate var item: Int
    }

    /// A write to be sent.
    struct Write: Sendable {
        let key: KeyDigest
        let place: Place
        let item: Item
        /// The sequence that the key's newest entry must have.
        let expected: UInt64
        /// How many copies the server has dropped so far.
        let copies: Int
    }

    /// A key whose newest entry in the target must be looked up.
    struct Look: Sendable {
        let key: KeyDigest
        /// An entry of the key.
        let place: Place
        /// The sequence that the server said it had; nil if it said none.
        let sequence: UInt64?
    }

    private struct Slot {
        let batch: Batch
        let bytes: Int
        let items: [Item]
        var isSettled: [Bool]
        var open: Int
        var firstOpen = 0
    }

    private enum Phase {
        case ready
        case writing
        case looking
        case postponed
    }

    private struct Lane {
        var head: KnownHead?
        var said: UInt64?
        var waiting: [Place]
        var current: Place?
        var phase: Phase
        var copies = 0
    }

    /// Entries found to be in the target already.
    private(set) var skipped: UInt64 = 0
    /// Entries left out because newer ones of their key would push them out at once.
    private(set) var superseded: UInt64 = 0
    /// Entries left out because their time is over.
    private(set) var expired: UInt64 = 0
    /// What is known of keys in the target.
    var heads: KnownHeads
    /// Whether a key of which nothing is known has no entry in the target, as far as anybody knows.
    var presumesAbsent = false
    /// Entries of a key that the target keeps; nil without a limit.
    private let history: Int?

    private var slots: [Slot] = []
    private var firstSlot = 0
    private var lanes: [KeyDigest: Lane] = [:]
    private var ready = Queue()
    private var looks = Queue()
    private var postponed: [KeyDigest] = []
    private var readThrough: Revision

    /// An empty window behind a revision of which everything is in the target.
    init(after revision: Revision, history: Int?, heads: KnownHeads = KnownHeads()) {
        readThrough = revision
        self.history = history
        self.heads = heads
    }

    // MARK: What there is

    /// Whether everything that was read is settled.
    var isEmpty: Bool { count == 0 }

    /// Entries that are not settled.
    private(set) var count = 0

    /// The revision up to which everything is in the target.
    var resumeRevision: Revision {
        oldest.map { $0.revision - 1 } ?? readThrough
    }

    /// The last revision that was read.
    var lastRevision: Revision { readThrough }

    /// The first entry that is not settled.
    var oldest: Item? {
        slots.first { $0.open > 0 }.map { $0.items[$0.firstOpen] }
    }

    /// The batch that an entry is in.
    func batch(of place: Place) -> Batch { slots[place.batch - firstSlot].batch }

    /// The entry at a place.
    func item(_ place: Place) -> Item { slots[place.batch - firstSlot].items[place.item] }

    // MARK: Reading

    /// Takes what was read; answers how many bytes may be let go of.
    mutating func add(_ batch: Batch, bytes: Int, _ items: [Item], through revision: Revision) -> Int {
        readThrough = max(readThrough, revision)
        guard !items.isEmpty else { return bytes }
        let number = firstSlot + slots.count
        slots.append(
            Slot(
                batch: batch,
                bytes: bytes,
                items: items,
                isSettled: Array(repeating: false, count: items.count),
                open: items.count
            )
        )
        count += items.count
        for (index, item) in items.enumerated() { enter(item, Place(batch: number, item: index)) }
        return release()
    }

    private mutating func enter(_ item: Item, _ place: Place) {
        guard let entry = lanes.index(forKey: item.key) else {
            let head = heads[item.key] ?? (presumesAbsent ? .absent : nil)
            lanes[item.key] = Lane(
                head: head,
                waiting: [place],
                phase: head == nil ? .looking : .ready
            )
            if head == nil { looks.append(item.key) } else { ready.append(item.key) }
            return
        }
        if item.isRollup {
            for earlier in lanes.values[entry].waiting { supersede(earlier) }
            lanes.values[entry].waiting.removeAll(keepingCapacity: true)
        } else if let history, lanes.values[entry].waiting.count >= history {
            supersede(lanes.values[entry].waiting.removeFirst())
        }
        lanes.values[entry].waiting.append(place)
    }

    private mutating func supersede(_ place: Place) {
        superseded += 1
        settle(place)
    }

    // MARK: Writing

    /// The next write that may be sent; nil if there is none.
    mutating func nextWrite() -> Write? {
        while let key = ready.next() {
            guard let entry = lanes.index(forKey: key), lanes.values[entry].phase == .ready,
                let head = lanes.values[entry].head
            else { continue }
            while let place = lanes.values[entry].waiting.first, item(place).revision <= head.revision {
                lanes.values[entry].waiting.removeFirst()
                skipped += 1
                settle(place)
            }
            guard let place = lanes.values[entry].waiting.first else {
                retire(key, head)
                continue
            }
            lanes.values[entry].waiting.removeFirst()
            lanes.values[entry].current = place
            lanes.values[entry].phase = .writing
            return Write(
                key: key,
                place: place,
                item: item(place),
                expected: head.sequence,
                copies: lanes.values[entry].copies
            )
        }
        return nil
    }

    /// A write was stored.
    mutating func stored(_ write: Write, at sequence: UInt64) {
        guard let entry = writing(write) else { return }
        let head = KnownHead(sequence: sequence, revision: write.item.revision)
        lanes.values[entry].head = head
        lanes.values[entry].copies = 0
        goOn(write, entry, head)
    }

    /// A write is not to be made: the entry's time is over.
    mutating func leaveOut(_ write: Write) {
        guard let entry = writing(write), let head = lanes.values[entry].head else { return }
        expired += 1
        goOn(write, entry, head)
    }

    private mutating func goOn(_ write: Write, _ entry: Dictionary<KeyDigest, Lane>.Index, _ head: KnownHead) {
        lanes.values[entry].current = nil
        if lanes.values[entry].waiting.isEmpty {
            retire(write.key, head)
        } else {
            lanes.values[entry].phase = .ready
            ready.append(write.key)
        }
        settle(write.place)
    }

    /// Nobody knows whether a write was stored, or it was refused: the key must be looked up before it is written again.
    ///
    /// - Parameters:
    ///   - sequence: what the server said that the key's newest entry has.
    ///   - isCopy: whether the server dropped it as a copy of another.
    ///   - later: whether it is no use to look at once.
    mutating func contested(_ write: Write, sequence: UInt64? = nil, isCopy: Bool = false, later: Bool = false) {
        guard let entry = writing(write) else { return }
        lanes.values[entry].current = nil
        lanes.values[entry].head = nil
        lanes.values[entry].said = sequence
        if isCopy { lanes.values[entry].copies += 1 }
        lanes.values[entry].waiting.insert(write.place, at: 0)
        look(write.key, entry, later)
    }

    private mutating func look(_ key: KeyDigest, _ entry: Dictionary<KeyDigest, Lane>.Index, _ later: Bool) {
        lanes.values[entry].phase = later ? .postponed : .looking
        if later { postponed.append(key) } else { looks.append(key) }
    }

    private func writing(_ write: Write) -> Dictionary<KeyDigest, Lane>.Index? {
        guard let entry = lanes.index(forKey: write.key), lanes.values[entry].current == write.place else { return nil }
        return entry
    }

    // MARK: Looking

    /// The next key to look up; nil if there is none.
    mutating func nextLook() -> Look? {
        while let key = looks.next() {
            guard let lane = lanes[key], lane.phase == .looking, let place = lane.waiting.first else { continue }
            return Look(key: key, place: place, sequence: lane.said)
        }
        return nil
    }

    /// A key's newest entry was looked up.
    mutating func found(_ key: KeyDigest, _ head: KnownHead) {
        guard let entry = lanes.index(forKey: key), lanes.values[entry].phase == .looking else { return }
        lanes.values[entry].head = head
        lanes.values[entry].phase = .ready
        ready.append(key)
    }

    /// A key could not be looked up.
    mutating func notFound(_ key: KeyDigest) {
        guard let entry = lanes.index(forKey: key), lanes.values[entry].phase == .looking else { return }
        look(key, entry, true)
    }

    /// What was put off may be looked up now; answers whether there is anything.
    mutating func resume() -> Bool {
        guard !postponed.isEmpty else { return false }
        for key in postponed {
            guard let entry = lanes.index(forKey: key), lanes.values[entry].phase == .postponed else { continue }
            look(key, entry, false)
        }
        postponed.removeAll(keepingCapacity: true)
        return true
    }

    /// The first entry that waits in a key's lane.
    func waiting(_ key: KeyDigest) -> Place? { lanes[key]?.waiting.first }

    // MARK: Settling

    private mutating func retire(_ key: KeyDigest, _ head: KnownHead) {
        heads[key] = head
        lanes[key] = nil
    }

    private mutating func settle(_ place: Place) {
        count -= 1
        let slot = place.batch - firstSlot
        slots[slot].isSettled[place.item] = true
        slots[slot].open -= 1
        while slots[slot].firstOpen < slots[slot].items.count, slots[slot].isSettled[slots[slot].firstOpen] {
            slots[slot].firstOpen += 1
        }
    }

    /// Lets go of the batches that are done with, in their order; answers how many bytes that frees.
    mutating func release() -> Int {
        let done = slots.prefix { $0.open == 0 }
        guard !done.isEmpty else { return 0 }
        let bytes = done.reduce(0) { $0 + $1.bytes }
        firstSlot += done.count
        slots.removeFirst(done.count)
        return bytes
    }

    /// Keys in the order in which they came.
    private struct Queue {
        private var keys: [KeyDigest] = []
        private var position = 0

        mutating func append(_ key: KeyDigest) {
            keys.append(key)
        }

        mutating func next() -> KeyDigest? {
            guard position < keys.count else {
                keys.removeAll(keepingCapacity: true)
                position = 0
                return nil
            }
            if position >= 4096, position * 2 > keys.count {
                keys.removeFirst(position)
                position = 0
            }
            position += 1
            return keys[position - 1]
        }
    }
}
