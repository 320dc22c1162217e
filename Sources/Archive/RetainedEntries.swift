import KVModel

/// Which entries a bucket holds after its entries were stored one by one: the server's rules, replayed.
///
/// Feed it the entries in revision order with `store`, changed configurations with `change`, and ask with `settle` for
/// what is left at a revision and a time. It knows entries by a number of the caller's and holds 24 bytes for each
/// entry that the bucket would hold, never for those that went. It goes forward, not back from the newest entry,
/// because an entry that had expired or was removed when a later one was stored took no place of the key's history
/// then, and because a history setting that was raised does not bring back what the lower one had dropped.
struct RetainedEntries: Sendable {
    /// What of a bucket's configuration decides what it holds.
    struct Policy: Sendable, Equatable {
        /// Entries kept a key; 0 or less for all.
        var history: Int
        /// The bucket's TTL in nanoseconds; 0 for none.
        var maximumAge: Int64
        /// Whether the entries' own TTLs count.
        var allowsEntryTTL: Bool

        /// Everything is kept.
        static let unlimited = Policy(history: 0, maximumAge: 0, allowsEntryTTL: false)
    }

    /// What an entry's `Nats-Rollup` header drops.
    enum Rollup: Sendable, Equatable {
        case nothing
        case key
        case everything
    }

    /// An entry as far as the rules look at it.
    struct Stored: Sendable {
        /// The caller's number of the entry.
        var number: UInt32
        /// The caller's number of its key.
        var key: Int
        var revision: Revision
        var time: Timestamp
        var isPut: Bool
        /// Bytes of key, header block and value.
        var size: Int
        var hasHeaders = false
        var rollup: Rollup = .nothing
        /// Its own TTL.
        var lifetime: EntryLifetime?
        /// When it vanished without an entry saying so.
        var gone: Disappearance?
        /// Where it was last seen to be there, whatever the rules say.
        var seen: Sighting?
    }

    /// What is known of when an entry vanished.
    struct Disappearance: Sendable, Equatable {
        /// The last revision, and time, at which it was known to be there.
        var since: Revision
        var sinceTime: Timestamp
        /// The revision at which it was seen to be gone.
        var seenAt: Revision

        /// Whether it may have been gone when an entry of a revision was stored, or the bucket changed at a time.
        func mayPrecede(_ revision: Revision, at time: Timestamp) -> Bool {
            since < revision || since == revision && sinceTime < time
        }

        /// Whether an entry may have vanished after it was seen.
        func follows(_ sighting: Sighting) -> Bool {
            sighting.revision < seenAt || sighting.revision == seenAt && sighting.time <= sinceTime
        }
    }

    /// An entry was there at a revision and a time: no entry up to that one drove it out, and it had not expired.
    struct Sighting: Sendable, Equatable {
        var revision: Revision
        var time: Timestamp
    }

    private struct Node {
        var number: UInt32
        var next: UInt32
        var size: UInt32
        var isPut: Bool
        var hasHeaders: Bool
        var time: Timestamp
    }

    /// The entries of a key, oldest first.
    private struct Chain {
        var head = none
        var tail = none
        var count: UInt32 = 0
    }

    private struct Mortality {
        var lifetime: EntryLifetime?
        var gone: Disappearance?
        var seen: Sighting?
    }

    private static var none: UInt32 { .max }

    private(set) var policy: Policy
    /// Another policy that may be in force instead: what goes is what both drop.
    private(set) var alternative: Policy?
    private var nodes: [Node] = []
    private var held = StateTotals()
    private var released: [UInt32] = []
    private var free = none
    private var chains: [Chain] = []
    /// The entries that have a TTL of their own or were seen to be gone.
    private var mortals: [UInt32: Mortality] = [:]
    private var someVanished = false
    private var someSeen = false

    /// An empty bucket of this configuration.
    init(policy: Policy) {
        self.policy = policy
    }

    /// The server takes another configuration after it stored the entry of this revision and time.
    ///
    /// What had expired by then stays gone, even if the new configuration lets entries live longer. While it is not
    /// known when exactly a configuration took the place of another, that other is the `alternative`.
    mutating func change(
        _ new: Policy,
        alternative other: Policy? = nil,
        after revision: Revision,
        at time: Timestamp
    ) {
        settle(revision: revision, time: time)
        let before = history
        let wasUncertain = alternative != nil
        policy = new
        alternative = other
        // What may have expired before it was counted must not drive out what came before it.
        if wasUncertain { settle(revision: revision, time: time) }
        guard history > 0, wasUncertain || before <= 0 || history < before else { return }
        for key in chains.indices { trim(key, revision, at: time) }
    }

    /// Entries kept a key; 0 for all.
    private var history: Int {
        guard let alternative else { return max(0, policy.history) }
        return policy.history <= 0 || alternative.history <= 0 ? 0 : max(policy.history, alternative.history)
    }

    /// Whether entries may expire or were seen to be gone.
    var isMortal: Bool {
        (policy.maximumAge > 0 && alternative?.maximumAge ?? 1 > 0) || !mortals.isEmpty
    }

    /// The server stores an entry.
    mutating func store(_ entry: Stored) {
        switch entry.rollup {
        case .nothing: break
        case .key: if entry.key < chains.count { clear(entry.key, entry.revision) }
        case .everything: clearAll(entry.revision)
        }
        append(entry)
        let history = history
        guard history > 0, chains[entry.key].count > history else { return }
        if history > 1, isMortal {
            dropDead(entry.key, at: entry.time, knownAt: entry.revision - 1)
        }
        trim(entry.key, entry.revision, at: entry.time)
    }

    /// Takes over an entry that is known to have been held at a later revision: nothing up to there dropped it, nor did
    /// it drop any other that is taken over.
    mutating func hold(_ entry: Stored) {
        append(entry)
    }

    /// The server took another configuration before a revision of which it is known what was held there.
    mutating func replacePolicy(_ new: Policy) {
        policy = new
        alternative = nil
    }

    /// An entry that is not asked for may still drop everything.
    mutating func clearAll(_ revision: Revision) {
        for key in chains.indices { clear(key, revision) }
    }

    /// What is left at a revision and a time.
    mutating func settle(revision: Revision, time: Timestamp) {
        guard isMortal else { return }
        for key in chains.indices { dropDead(key, at: time, knownAt: revision) }
    }

    /// Only the newest entry of each key stays.
    mutating func keepLatest() {
        for key in chains.indices {
            while chains[key].count > 1 { dropFirst(key) }
        }
    }

    /// Only the newest entry of each key stays, and only if it is a put.
    mutating func keepLatestPuts() {
        keepLatest()
        for key in chains.indices {
            if chains[key].count == 1, !nodes[Int(chains[key].head)].isPut { dropFirst(key) }
        }
    }

    /// Sums over the entries that are left.
    var totals: StateTotals {
        var result = held
        result.keys = chains.count { $0.tail != Self.none && nodes[Int($0.tail)].isPut }
        return result
    }

    /// The numbers of the entries that went since this was last asked.
    mutating func takeReleased() -> [UInt32] {
        defer { released.removeAll(keepingCapacity: true) }
        return released
    }

    /// Makes room for so many entries.
    mutating func reserve(_ entries: Int) {
        nodes.reserveCapacity(entries)
    }

    /// Fetches what appending to these keys will touch; answers a number without meaning.
    ///
    /// For all of them at once: one after the other, each would wait for memory twice.
    func prefetch(_ references: ArraySlice<UInt32>, _ keys: [Int]) -> Int {
        chains.withUnsafeBufferPointer { chains in
            nodes.withUnsafeBufferPointer { nodes in
                keys.withUnsafeBufferPointer { keys in
                    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: references.count) { tails in
                        var touched = 0
                        var count = 0
                        for reference in references {
                            let key = keys[Int(reference)]
                            tails[count] = key >= 0 && key < chains.count ? chains[key].tail : Self.none
                            count += 1
                        }
                        for place in 0..<count where tails[place] != Self.none {
                            touched &+= Int(nodes[Int(tails[place])].next)
                        }
                        return touched
                    }
                }
            }
        }
    }

    private mutating func append(_ entry: Stored) {
        while entry.key >= chains.count { chains.append(Chain()) }
        let node = Node(
            number: entry.number,
            next: Self.none,
            size: UInt32(truncatingIfNeeded: entry.size),
            isPut: entry.isPut,
            hasHeaders: entry.hasHeaders,
            time: entry.time
        )
        let link: UInt32
        if free == Self.none {
            link = UInt32(truncatingIfNeeded: nodes.count)
            nodes.append(node)
        } else {
            link = free
            free = nodes[Int(link)].next
            nodes[Int(link)] = node
        }
        let tail = chains[entry.key].tail
        if tail == Self.none {
            chains[entry.key].head = link
        } else {
            nodes[Int(tail)].next = link
        }
        chains[entry.key].tail = link
        chains[entry.key].count += 1
        held.entries += 1
        held.bytes += Int(node.size)
        if node.hasHeaders { held.headedEntries += 1 }
        if entry.lifetime != nil || entry.gone != nil || entry.seen != nil {
            mortals[entry.number] = Mortality(lifetime: entry.lifetime, gone: entry.gone, seen: entry.seen)
            if entry.gone != nil { someVanished = true }
            if entry.seen != nil { someSeen = true }
        }
    }

    /// Drops the oldest entries that surely are too many: those count that live under both policies and had not
    /// vanished yet.
    private mutating func trim(_ key: Int, _ revision: Revision, at time: Timestamp) {
        let history = history
        guard alternative != nil || someVanished || someSeen else {
            while chains[key].count > history { dropFirst(key) }
            return
        }
        var certain = 0
        var link = chains[key].head
        while link != Self.none {
            if lives(nodes[Int(link)], revision, at: time) { certain += 1 }
            link = nodes[Int(link)].next
        }
        // Servers drop the oldest first: before one that stayed they dropped nothing.
        while certain > history, !isSeen(nodes[Int(chains[key].head)], revision) {
            if lives(nodes[Int(chains[key].head)], revision, at: time) { certain -= 1 }
            dropFirst(key)
        }
    }

    private func lives(_ node: Node, _ revision: Revision, at time: Timestamp) -> Bool {
        let mortality = mortals.isEmpty ? nil : mortals[node.number]
        if let gone = mortality?.gone, gone.mayPrecede(revision, at: time) { return false }
        guard let alternative else { return true }
        return !isExpired(node, mortality, policy, at: time) && !isExpired(node, mortality, alternative, at: time)
    }

    /// Whether an entry was seen at a revision or later.
    private func isSeen(_ node: Node, _ revision: Revision) -> Bool {
        guard someSeen, let seen = mortals[node.number]?.seen else { return false }
        return revision <= seen.revision
    }

    private mutating func clear(_ key: Int, _ revision: Revision) {
        guard someSeen else {
            while chains[key].count > 0 { dropFirst(key) }
            return
        }
        drop(key, .rolledUp(at: revision))
    }

    private mutating func dropFirst(_ key: Int) {
        let link = chains[key].head
        chains[key].head = nodes[Int(link)].next
        if chains[key].head == Self.none { chains[key].tail = Self.none }
        chains[key].count -= 1
        release(link)
    }

    private mutating func release(_ link: UInt32) {
        let node = nodes[Int(link)]
        held.entries -= 1
        held.bytes -= Int(node.size)
        if node.hasHeaders { held.headedEntries -= 1 }
        released.append(node.number)
        if !mortals.isEmpty { mortals[node.number] = nil }
        nodes[Int(link)].next = free
        free = link
    }

    private mutating func dropDead(_ key: Int, at time: Timestamp, knownAt revision: Revision) {
        drop(key, .dead(at: time, knownAt: revision))
    }

    /// Why entries go from anywhere in a key's history.
    private enum Cause {
        case rolledUp(at: Revision)
        case dead(at: Timestamp, knownAt: Revision)
    }

    private func applies(_ cause: Cause, to node: Node) -> Bool {
        switch cause {
        case .rolledUp(let revision): !isSeen(node, revision)
        case .dead(let time, let revision): isDead(node, at: time, knownAt: revision)
        }
    }

    private mutating func drop(_ key: Int, _ cause: Cause) {
        var previous = Self.none
        var link = chains[key].head
        while link != Self.none {
            let next = nodes[Int(link)].next
            if applies(cause, to: nodes[Int(link)]) {
                if previous == Self.none { chains[key].head = next } else { nodes[Int(previous)].next = next }
                if next == Self.none { chains[key].tail = previous }
                chains[key].count -= 1
                release(link)
            } else {
                previous = link
            }
            link = next
        }
    }

    private func isDead(_ node: Node, at time: Timestamp, knownAt revision: Revision) -> Bool {
        let mortality = mortals.isEmpty ? nil : mortals[node.number]
        if let gone = mortality?.gone, gone.seenAt <= revision { return true }
        guard isExpired(node, mortality, policy, at: time) else { return false }
        return alternative.map { isExpired(node, mortality, $0, at: time) } ?? true
    }

    private func isExpired(_ node: Node, _ mortality: Mortality?, _ policy: Policy, at time: Timestamp) -> Bool {
        if let seen = mortality?.seen, time <= seen.time { return false }
        let own = policy.allowsEntryTTL ? mortality?.lifetime : nil
        guard let expiry = EntryLifetime.expiry(of: node.time, own: own, maximumAge: policy.maximumAge) else {
            return false
        }
        return expiry <= time
    }
}
