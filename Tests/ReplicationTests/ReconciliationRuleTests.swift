import KVModel
import Testing

@testable import Replication

/// What a reconciliation finds of a key, without a server.
@Suite("What differs between the buckets of a mirror")
struct ReconciliationRuleTests {
    private static let source = ReplayIdentity(cluster: "c", bucket: BucketName(unchecked: "src"), created: "1")
    private static let target = ReplayIdentity(cluster: "c", bucket: BucketName(unchecked: "dst"), created: "2")
    private static let second: Int64 = 1_000_000_000

    /// One side's newest entry of a key; `names` is the revision of the other side that it says it is.
    private struct Side {
        var revision: Revision
        var value: String?
        var names: Revision?
        var repairs: Revision?
        var age: Int64 = 1000
        var headers: [(String, String)] = []

        func entry(of other: ReplayIdentity, at now: Timestamp) -> MirroredEntry {
            var fields = headers.map { HeaderBlock.Field(name: $0.0, value: $0.1) }
            if let names {
                let id = String(decoding: other.prefix, as: UTF8.self) + String(names)
                fields.append(HeaderBlock.Field(name: "Nats-Msg-Id", value: id))
            }
            if let repairs {
                let origin = EntryOrigin(source: other.number, revision: repairs, time: now)
                fields.append(HeaderBlock.Field(name: EntryOrigin.header, value: origin.text))
            }
            if value == nil, headers.isEmpty { fields.append(HeaderBlock.Field(name: "KV-Operation", value: "DEL")) }
            let block = HeaderBlock(fields: fields).encoded()
            return Entry(
                revision: revision,
                time: now.adding(nanoseconds: -age * second),
                operation: block.withUnsafeBytes { Operation(headers: $0) },
                key: Key("k"),
                headers: block,
                value: Array((value ?? "").utf8)
            ).withView { MirroredEntry($0, of: other) }
        }
    }

    private func verdict(
        _ source: Side?,
        _ target: Side?,
        _ change: (inout ReconciliationRule) -> Void = { _ in }
    ) -> ReconciliationRule.Verdict {
        let now = Timestamp.wallClock()
        var rule = ReconciliationRule(beginning: 100)
        change(&rule)
        return rule.verdict(
            source: source?.entry(of: Self.target, at: now),
            target: target?.entry(of: Self.source, at: now),
            at: now
        )
    }

    @Test("The mirrored entry, a repair, and what others wrote alike are equal; a marker is as good as nothing")
    func equal() {
        #expect(verdict(Side(revision: 7, value: "x"), Side(revision: 3, value: "x", names: 7)) == .equal)
        #expect(verdict(Side(revision: 7, value: "x"), Side(revision: 3, value: "x", repairs: 7)) == .equal)
        #expect(verdict(Side(revision: 7, value: "x"), Side(revision: 3, value: "x")) == .equal)
        #expect(verdict(Side(revision: 7), Side(revision: 3)) == .equal)
        #expect(verdict(Side(revision: 7), nil) == .equal)
        #expect(verdict(nil, Side(revision: 3)) == .equal)
        #expect(verdict(nil, nil) == .equal)
    }

    @Test("What is newer than the beginning, on either side, is not judged")
    func newer() {
        #expect(verdict(Side(revision: 101, value: "x"), nil) == .newer)
        #expect(verdict(Side(revision: 7, value: "x"), Side(revision: 3, value: "y", names: 101)) == .newer)
        #expect(verdict(nil, Side(revision: 3, value: "y", names: 101)) == .newer)
    }

    @Test("Differences, by who wrote what stands in the target")
    func differences() {
        #expect(verdict(Side(revision: 7, value: "x"), nil) == .found(.missing))
        #expect(verdict(Side(revision: 7, value: "x"), Side(revision: 3, names: 5)) == .found(.missing))
        #expect(verdict(Side(revision: 7, value: "x"), Side(revision: 3)) == .found(.foreign))
        #expect(verdict(Side(revision: 7, value: "x"), Side(revision: 3, value: "y")) == .found(.foreign))
        #expect(verdict(Side(revision: 7, value: "x"), Side(revision: 3, value: "y", names: 5)) == .found(.different))
        #expect(verdict(Side(revision: 7, value: "x"), Side(revision: 3, value: "x", names: 5)) == .found(.different))
        #expect(verdict(nil, Side(revision: 3, value: "x", names: 5)) == .found(.leftover))
        #expect(verdict(Side(revision: 7), Side(revision: 3, value: "x", names: 5)) == .found(.leftover))
        #expect(verdict(Side(revision: 7), Side(revision: 3, value: "x")) == .found(.foreign))
        #expect(verdict(nil, Side(revision: 3, value: "x")) == .found(.additional))
        let changed = Side(revision: 7, value: "x", headers: [("X-Of", "test")])
        #expect(verdict(changed, Side(revision: 3, value: "x", names: 7)) == .found(.different))
    }

    @Test("Where deletes do not travel, what the source has deleted may stay")
    func deletes() {
        let kept = Side(revision: 3, value: "x", names: 5)
        #expect(verdict(nil, kept) { $0.deletes = false } == .equal)
        #expect(verdict(Side(revision: 7), kept) { $0.deletes = false } == .equal)
        #expect(verdict(Side(revision: 7, value: "y"), kept) { $0.deletes = false } == .found(.different))
    }

    @Test("Where revisions are kept, they must be the same")
    func revisions() {
        let entry = Side(revision: 7, value: "x")
        #expect(verdict(entry, Side(revision: 7, value: "x", names: 7)) { $0.preservesRevisions = true } == .equal)
        let moved = Side(revision: 8, value: "x", names: 7)
        #expect(verdict(entry, moved) { $0.preservesRevisions = true } == .found(.different))
    }

    @Test("What came from the target itself is not for this mirror")
    func returned() {
        #expect(verdict(Side(revision: 7, value: "x", names: 2), Side(revision: 3, value: "y")) == .equal)
    }

    @Test("What the target's own limits have removed, or are about to, is no difference")
    func limits() {
        let old = Side(revision: 7, value: "x", age: 60)
        #expect(verdict(old, nil) { $0.target.maximumAge = 59 * Self.second } == .expired)
        #expect(verdict(old, nil) { $0.target.maximumAge = 62 * Self.second } == .expired)
        #expect(verdict(old, nil) { $0.target.maximumAge = 90 * Self.second } == .found(.missing))
        #expect(verdict(old, nil) { $0.source.maximumAge = 59 * Self.second } == .expired)
        let limited = Side(revision: 7, value: "x", age: 60, headers: [("Nats-TTL", "61s")])
        #expect(verdict(limited, nil) { $0.target.allowsOwn = true } == .expired)
        #expect(verdict(limited, nil) == .found(.missing))
        let marker = Side(revision: 3, headers: [("Nats-Marker-Reason", "MaxAge")])
        #expect(verdict(Side(revision: 7, value: "x"), marker) == .found(.missing))
        let held = Side(revision: 3, value: "x", names: 7, age: 60, headers: [("Nats-TTL", "62s")])
        #expect(verdict(nil, held) { $0.target.allowsOwn = true } == .expired)
        #expect(verdict(nil, held) == .found(.leftover))
    }
}
