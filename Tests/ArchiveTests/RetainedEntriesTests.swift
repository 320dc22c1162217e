import KVModel
import Testing

@testable import Archive

/// What a bucket does, written as plainly as can be: the model that `RetainedEntries` is held against.
private struct PlainBucket {
    var policy: RetainedEntries.Policy
    var held: [RetainedEntries.Stored] = []

    mutating func expire(at time: Timestamp, revision: Revision) {
        held.removeAll { entry in
            if let gone = entry.gone, gone.seenAt <= revision { return true }
            let own = policy.allowsEntryTTL ? entry.lifetime : nil
            if own == .never { return false }
            var lifetime = policy.maximumAge > 0 ? policy.maximumAge : Int64.max
            if case .limited(let limit) = own { lifetime = min(lifetime, limit) }
            return lifetime < .max && entry.time.nanoseconds + lifetime <= time.nanoseconds
        }
    }

    mutating func store(_ entry: RetainedEntries.Stored) {
        expire(at: entry.time, revision: entry.revision - 1)
        if entry.rollup == .everything { held = [] }
        if entry.rollup == .key { held.removeAll { $0.key == entry.key } }
        held.append(entry)
        trim()
    }

    mutating func trim() {
        guard policy.history > 0 else { return }
        for key in Set(held.map(\.key)) {
            while held.count(where: { $0.key == key }) > policy.history {
                guard let oldest = held.firstIndex(where: { $0.key == key }) else { break }
                held.remove(at: oldest)
            }
        }
    }
}

/// Seen to be gone at a revision; known to be there up to another, by default that one.
private func seenGone(at revision: Revision, since: Revision? = nil) -> RetainedEntries.Disappearance {
    RetainedEntries.Disappearance(
        since: since ?? revision,
        sinceTime: Timestamp(nanoseconds: .max),
        seenAt: revision
    )
}

private func randomPolicy(_ random: inout SeededGenerator) -> RetainedEntries.Policy {
    RetainedEntries.Policy(
        history: [-1, 0, 1, 2, 3, 5].randomElement(using: &random) ?? 1,
        maximumAge: [0, 0, 30, 100].randomElement(using: &random) ?? 0,
        allowsEntryTTL: Bool.random(using: &random)
    )
}

/// Which of the entries stored so far did not go; `gone` remembers those that did.
private func numbers(
    _ retained: inout RetainedEntries,
    of stored: some Sequence<UInt32>,
    _ gone: inout Set<UInt32>
) -> [UInt32] {
    gone.formUnion(retained.takeReleased())
    return stored.filter { !gone.contains($0) }
}

@Test("Entries are kept as a plain model of a bucket keeps them", arguments: 0..<400)
func retentionMatchesModel(seed: Int) {
    var random = SeededGenerator(seed: UInt64(seed))
    let first = randomPolicy(&random)
    var model = PlainBucket(policy: first)
    var retained = RetainedEntries(policy: first)
    var revision: Revision = 0
    var time = Timestamp(nanoseconds: 1000)
    let stored = 0..<UInt32.random(in: 1...120, using: &random)
    var gone: Set<UInt32> = []
    for number in stored {
        if Int.random(in: 0..<25, using: &random) == 0 {
            let policy = randomPolicy(&random)
            model.expire(at: time, revision: revision)
            model.policy = policy
            model.trim()
            retained.change(policy, after: revision, at: time)
        }
        revision += UInt64.random(in: 1...3, using: &random)
        time = time.adding(nanoseconds: Int64.random(in: 0...10, using: &random))
        let kind = Int.random(in: 0..<40, using: &random)
        let entry = RetainedEntries.Stored(
            number: number,
            key: Int.random(in: 0..<6, using: &random),
            revision: revision,
            time: time,
            isPut: kind > 8,
            size: Int.random(in: 0...100, using: &random),
            rollup: kind == 0 ? .everything : kind < 4 ? .key : .nothing,
            lifetime: kind == 5 ? .never : kind % 5 == 0 ? .limited(Int64.random(in: 1...60, using: &random)) : nil,
            gone: kind % 7 == 0 ? seenGone(at: revision + UInt64.random(in: 0...20, using: &random)) : nil
        )
        model.store(entry)
        retained.store(entry)
    }
    let end = time.adding(nanoseconds: Int64.random(in: 0...60, using: &random))
    model.expire(at: end, revision: revision)
    retained.settle(revision: revision, time: end)
    #expect(numbers(&retained, of: stored, &gone) == model.held.map(\.number))
    #expect(retained.totals.entries == model.held.count)
    #expect(retained.totals.bytes == model.held.reduce(0) { $0 + $1.size })
    let newest = Dictionary(model.held.map { ($0.key, $0) }) { $1 }
    #expect(retained.totals.keys == newest.values.count { $0.isPut })
    retained.keepLatestPuts()
    #expect(numbers(&retained, of: stored, &gone) == newest.values.filter(\.isPut).map(\.number).sorted())
}

/// A short history, how a server keeps it, and why.
struct RetentionCase: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let history: Int
    var maximumAge: Int64 = 0
    /// Key, time, rollup, own TTL, when it vanished; revisions count from 1.
    let entries: [(Int, Int64, RetainedEntries.Rollup, EntryLifetime?, RetainedEntries.Disappearance?)]
    let asOf: Int64
    let left: [UInt32]
}

private let retentionCases: [RetentionCase] = [
    RetentionCase(
        testDescription: "history keeps the newest of each key",
        history: 2,
        entries: [
            (0, 1, .nothing, nil, nil), (0, 2, .nothing, nil, nil), (1, 3, .nothing, nil, nil),
            (0, 4, .nothing, nil, nil),
        ],
        asOf: 4,
        left: [2, 3, 4]
    ),
    RetentionCase(
        testDescription: "a purge marker stays and drops what was before it, of its key only",
        history: 5,
        entries: [
            (0, 1, .nothing, nil, nil), (1, 2, .nothing, nil, nil), (0, 3, .key, nil, nil), (0, 4, .nothing, nil, nil),
        ],
        asOf: 4,
        left: [2, 3, 4]
    ),
    RetentionCase(
        testDescription: "a roll-up of everything drops every key",
        history: 5,
        entries: [(0, 1, .nothing, nil, nil), (1, 2, .everything, nil, nil), (2, 3, .nothing, nil, nil)],
        asOf: 3,
        left: [2, 3]
    ),
    RetentionCase(
        testDescription: "an entry is gone the moment the bucket's TTL is over, not before",
        history: 1,
        maximumAge: 10,
        entries: [(0, 1, .nothing, nil, nil), (1, 2, .nothing, nil, nil)],
        asOf: 11,
        left: [2]
    ),
    RetentionCase(
        testDescription: "never outlives the bucket's TTL",
        history: 1,
        maximumAge: 10,
        entries: [(0, 1, .nothing, .never, nil), (1, 2, .nothing, nil, nil)],
        asOf: 100,
        left: [1]
    ),
    RetentionCase(
        testDescription: "an expired delete marker took no place of the history",
        history: 2,
        entries: [(0, 1, .nothing, nil, nil), (0, 2, .nothing, .limited(5), nil), (0, 20, .nothing, nil, nil)],
        asOf: 20,
        left: [1, 3]
    ),
    RetentionCase(
        testDescription: "a removed entry is not there from where that was seen",
        history: 2,
        entries: [
            (0, 1, .nothing, nil, seenGone(at: 2)), (0, 2, .nothing, nil, nil), (0, 3, .nothing, nil, seenGone(at: 9)),
        ],
        asOf: 3,
        left: [2, 3]
    ),
    RetentionCase(
        testDescription: "what may have been gone when later entries came drives nothing out",
        history: 2,
        entries: [
            (0, 1, .nothing, nil, nil), (0, 2, .nothing, nil, seenGone(at: 4, since: 2)), (0, 3, .nothing, nil, nil),
            (1, 4, .nothing, nil, nil),
        ],
        asOf: 4,
        left: [1, 3, 4]
    ),
    RetentionCase(
        testDescription: "what was there when later entries came counts, though it is gone now",
        history: 2,
        entries: [
            (0, 1, .nothing, nil, nil), (0, 2, .nothing, nil, seenGone(at: 4, since: 3)), (0, 3, .nothing, nil, nil),
            (1, 4, .nothing, nil, nil),
        ],
        asOf: 4,
        left: [3, 4]
    ),
    RetentionCase(
        testDescription: "until it is seen to be gone, more may be held than was",
        history: 2,
        entries: [
            (0, 1, .nothing, nil, nil), (0, 2, .nothing, nil, seenGone(at: 4, since: 2)), (0, 3, .nothing, nil, nil),
        ],
        asOf: 3,
        left: [1, 2, 3]
    ),
]

@Test(arguments: retentionCases)
func retentionRules(rule: RetentionCase) {
    var retained = RetainedEntries(
        policy: RetainedEntries.Policy(history: rule.history, maximumAge: rule.maximumAge, allowsEntryTTL: true)
    )
    for (index, entry) in rule.entries.enumerated() {
        retained.store(
            RetainedEntries.Stored(
                number: UInt32(index + 1),
                key: entry.0,
                revision: UInt64(index + 1),
                time: Timestamp(nanoseconds: entry.1),
                isPut: true,
                size: 1,
                rollup: entry.2,
                lifetime: entry.3,
                gone: entry.4
            )
        )
    }
    retained.settle(revision: UInt64(rule.entries.count), time: Timestamp(nanoseconds: rule.asOf))
    var gone: Set<UInt32> = []
    #expect(numbers(&retained, of: 1...UInt32(rule.entries.count), &gone) == rule.left)
}

@Test("A raised history does not bring back what the lower one dropped")
func raisedHistory() {
    var retained = RetainedEntries(policy: RetainedEntries.Policy(history: 1, maximumAge: 0, allowsEntryTTL: false))
    var gone: Set<UInt32> = []
    for number in UInt32(1)...6 {
        if number == 4 {
            let raised = RetainedEntries.Policy(history: 3, maximumAge: 0, allowsEntryTTL: false)
            retained.change(raised, after: 3, at: Timestamp(nanoseconds: 3))
        }
        retained.store(
            RetainedEntries.Stored(
                number: number,
                key: 0,
                revision: UInt64(number),
                time: Timestamp(nanoseconds: Int64(number)),
                isPut: true,
                size: 1
            )
        )
        if number == 5 { #expect(numbers(&retained, of: 1...5, &gone) == [3, 4, 5]) }
    }
    #expect(numbers(&retained, of: 1...6, &gone) == [4, 5, 6])
}

@Test("What was seen to be there is driven out by nothing that came until then", arguments: [false, true])
func sightingsAgainstHistory(rollsUp: Bool) {
    var retained = RetainedEntries(policy: RetainedEntries.Policy(history: 1, maximumAge: 2, allowsEntryTTL: false))
    var left: [[UInt32]] = []
    var gone: Set<UInt32> = []
    for number in UInt32(1)...5 {
        let time = Timestamp(nanoseconds: Int64(number))
        retained.store(
            RetainedEntries.Stored(
                number: number,
                key: 0,
                revision: UInt64(number),
                time: time,
                isPut: true,
                size: 1,
                rollup: rollsUp && number == 4 ? .key : .nothing,
                seen: number == 2 ? RetainedEntries.Sighting(revision: 4, time: time.adding(nanoseconds: 2)) : nil
            )
        )
        if number == 4 { retained.settle(revision: 4, time: time) }
        left.append(numbers(&retained, of: 1...number, &gone))
    }
    #expect(left == [[1], [2], [2, 3], rollsUp ? [2, 4] : [2, 3, 4], [5]])
}
