import KVModel
import Testing

@testable import Replication

/// What a merge does about a key, without a server.
@Suite("What is newer, in a merge")
struct MergeRuleTests {
    private static let archive = ReplayIdentity(cluster: "c", bucket: BucketName(unchecked: "b"), created: "1")
    private static let live = ReplayIdentity(cluster: "c", bucket: BucketName(unchecked: "b"), created: "2")

    private func entry(
        _ revision: Revision,
        at time: Int64,
        _ value: String?,
        headers: [(String, String)] = [],
        in identity: ReplayIdentity
    ) -> MergeEntry {
        let block = HeaderBlock(fields: headers.map { HeaderBlock.Field(name: $0.0, value: $0.1) }).encoded()
        return Entry(
            revision: revision,
            time: Timestamp(nanoseconds: time),
            operation: value == nil ? .delete : .put,
            key: Key(bytes: [97]),
            headers: block,
            value: Array((value ?? "").utf8)
        ).withView { MergeEntry($0, in: identity) }
    }

    @Test(
        "The later of two entries stays, deletes among them; equal ones are left alone",
        arguments: [
            // The archive's time and value, the bucket's, and what is done with and without --overwrite.
            (5, "x", 4, "y", "write", "write"), (4, "x", 5, "y", "keep", "overwrite"),
            (5, "x", 5, "y", "keep", "overwrite"), (5, "x", 9, "x", "nothing", "nothing"),
            (9, "x", 5, "x", "nothing", "nothing"), (5, nil, 4, "y", "write", "write"),
            (4, nil, 5, "y", "keep", "overwrite"), (5, "x", 4, nil, "write", "write"),
            (4, "x", 5, nil, "keep", "overwrite"), (9, nil, 5, nil, "nothing", "nothing"),
        ] as [(Int64, String?, Int64, String?, String, String)]
    )
    func verdicts(
        sourceTime: Int64,
        source: String?,
        targetTime: Int64,
        target: String?,
        verdict: String,
        overwriting: String
    ) {
        for (overwrites, expected) in [(false, verdict), (true, overwriting)] {
            let rule = MergeRule(overwrites: overwrites, beginning: 100)
            let found = rule.verdict(
                source: entry(1, at: sourceTime, source, in: Self.archive),
                target: entry(7, at: targetTime, target, in: Self.live)
            )
            let all: [String: MergeRule.Verdict] = [
                "write": .write(expecting: 7), "overwrite": .overwrite(expecting: 7), "keep": .keep,
                "nothing": .nothing,
            ]
            #expect(found == all[expected])
        }
    }

    @Test("A key that the bucket does not have is created, and a delete of it is nothing to do")
    func missing() {
        let rule = MergeRule(beginning: 100)
        #expect(rule.verdict(source: entry(1, at: 1, "x", in: Self.archive), target: nil) == .write(expecting: 0))
        #expect(rule.verdict(source: entry(1, at: 1, nil, in: Self.archive), target: nil) == .nothing)
    }

    @Test("What is written while the merge runs stays, whatever its time and whatever is asked for")
    func meanwhile() {
        let source = entry(1, at: 1000, "x", in: Self.archive)
        let target = entry(101, at: 1, "y", in: Self.live)
        for overwrites in [false, true] {
            #expect(MergeRule(overwrites: overwrites, beginning: 100).verdict(source: source, target: target) == .keep)
        }
    }

    @Test("A copy counts from when its original was written, and by its revision against the same bucket's")
    func origins() throws {
        let rule = MergeRule(beginning: 100)
        let origin = EntryOrigin(source: Self.archive.number, revision: 3, time: Timestamp(nanoseconds: 30))
        let copy = entry(7, at: 1000, "old", headers: [(EntryOrigin.header, origin.text)], in: Self.live)
        #expect(copy.origin == origin)
        // Written to the original after the backup and before the merge of it.
        let newer = entry(4, at: 40, "new", in: Self.archive)
        #expect(rule.verdict(source: newer, target: copy) == .write(expecting: 7))
        #expect(rule.verdict(source: entry(2, at: 2000, "other", in: Self.archive), target: copy) == .keep)
        let id = String(decoding: Self.archive.prefix, as: UTF8.self) + "3"
        let replayed = entry(7, at: 1000, "old", headers: [("Nats-Msg-Id", id)], in: Self.live)
        #expect(replayed.origin.revision == 3 && replayed.origin.source == Self.archive.number)
        #expect(rule.verdict(source: newer, target: replayed) == .write(expecting: 7))
        let foreign = entry(7, at: 1000, "old", headers: [("Nats-Msg-Id", "cistern:nonsense:3")], in: Self.live)
        #expect(foreign.origin.source == Self.live.number)
        #expect(rule.verdict(source: newer, target: foreign) == .keep)
        for nonsense in ["", "::", "0123456789abcdef:x:1", "0123456789abcdeg:1:1", "0123456789abcdef:1:1:1"] {
            let entry = entry(7, at: 9, "v", headers: [(EntryOrigin.header, nonsense)], in: Self.live)
            #expect(entry.origin == EntryOrigin(source: Self.live.number, revision: 7, time: entry.time))
        }
    }

    @Test("Headers of the user's count as the value does, those of a publish do not")
    func headers() {
        let plain = entry(1, at: 1, "v", in: Self.archive)
        let published = entry(
            2,
            at: 2,
            "v",
            headers: [("Nats-Expected-Last-Subject-Sequence", "9"), ("Nats-TTL", "5"), ("Cistern-Msg-Id", "x")],
            in: Self.live
        )
        #expect(plain.isSame(as: published))
        #expect(!plain.isSame(as: entry(2, at: 2, "v", headers: [("X-Of", "me")], in: Self.live)))
        #expect(!plain.isSame(as: entry(2, at: 2, "w", in: Self.live)))
        #expect(!plain.isSame(as: entry(2, at: 2, nil, in: Self.live)))
    }
}
