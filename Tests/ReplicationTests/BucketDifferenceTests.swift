import KVModel
import TestSupport
import Testing

@testable import Replication

@Suite("What differs between two sides")
struct BucketDifferenceTests {
    private static func table(_ entries: [Entry]) -> ValueTable {
        var table = ValueTable()
        for entry in entries { entry.withView { table.add($0) } }
        return table
    }

    private static func entry(_ key: Key, _ revision: Revision, _ value: String, isPut: Bool = true) -> Entry {
        Entry(
            revision: revision,
            time: Timestamp(nanoseconds: Int64(revision)),
            operation: isPut ? .put : .delete,
            key: key,
            value: Array(value.utf8)
        )
    }

    @Test("Added, changed, removed, equal and rewritten keys are told apart, in the order of the keys")
    func kinds() {
        let old = [Self.entry("b", 1, "x"), Self.entry("a", 2, "y"), Self.entry("d", 3, "z"), Self.entry("e", 4, "")]
        let new = [
            Self.entry("e", 9, ""), Self.entry("b", 1, "x"), Self.entry("a", 2, "yy"), Self.entry("ab", 5, "x"),
        ]
        let difference = BucketDifference(from: Self.table(old), to: Self.table(new))
        #expect(difference.map(\.key) == ["a", "ab", "d"])
        #expect(difference.map(\.kind) == [.changed, .added, .removed])
        #expect(difference.map { $0.old?.revision } == [2, nil, 3])
        #expect((difference.added, difference.changed, difference.removed) == (1, 1, 1))
        #expect((difference.equal, difference.rewritten) == (2, 1))
        #expect(!difference.isEmpty)
        #expect(BucketDifference(from: Self.table(old), to: Self.table(old.reversed())).isEmpty)
        #expect(BucketDifference(from: Self.table([]), to: Self.table([])).isEmpty)
    }

    @Test("Of keys that come more than once the last entry counts, as dictionaries say", arguments: 0..<40)
    func property(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        func side() -> [Entry] {
            (0..<Int.random(in: 0...60, using: &random)).map { number in
                Self.entry(
                    Key("k" + String(Int.random(in: 0...20, using: &random))),
                    Revision(number + 1),
                    String(Int.random(in: 0...2, using: &random)),
                    isPut: Int.random(in: 0...4, using: &random) > 0
                )
            }
        }
        func values(_ entries: [Entry]) -> [Key: Entry] {
            entries.reduce(into: [:]) { $0[$1.key] = $1.operation == .put ? $1 : nil }
        }
        let (left, right) = (side(), side())
        let (old, new) = (values(left), values(right))
        let difference = BucketDifference(from: Self.table(left), to: Self.table(right))
        let keys = Set(old.keys).union(new.keys)
        let differing = keys.filter { old[$0]?.value != new[$0]?.value }
        #expect(difference.map(\.key) == differing.sorted())
        #expect(difference.allSatisfy { $0.old?.revision == old[$0.key]?.revision })
        #expect(difference.allSatisfy { $0.new?.revision == new[$0.key]?.revision })
        #expect(difference.equal == keys.count - differing.count)
        #expect(difference.added + difference.changed + difference.removed == differing.count)
        let same = keys.subtracting(differing)
        #expect(difference.rewritten == same.count { old[$0]?.revision != new[$0]?.revision })
    }
}
