import TestSupport
import Testing

@Suite("Comparing buckets")
struct BucketComparisonTests {
    private func message(_ seq: UInt64, _ key: String, _ value: String, headers: String = "") -> RawMessage {
        RawMessage(
            seq: seq,
            subject: Array("$KV.box.\(key)".utf8),
            headers: headers.isEmpty ? [] : Array("NATS/1.0\r\n\(headers)\r\n\r\n".utf8),
            data: Array(value.utf8),
            time: "2026-01-01T00:00:0\(seq)Z"
        )
    }

    private func differences(
        _ source: [RawMessage],
        _ target: [RawMessage],
        _ mode: BucketComparison.Mode
    ) -> [String] {
        BucketComparison.differences(source, in: "box", target, in: "box", mode: mode)
    }

    @Test("A replay may change revisions, times and the headers of the writing, nothing else")
    func replayed() {
        let source = [message(1, "a", "1"), message(3, "b", "2", headers: "X: y")]
        let target = [message(1, "a", "1", headers: "Nats-Msg-Id: 1"), message(2, "b", "2", headers: "X: y")]
        #expect(differences(source, target, .replayed).isEmpty)
        #expect(differences(source, source, .exact).isEmpty)
        #expect(differences(source, target, .exact).count == 2)
        #expect(!differences(source, [target[0], message(2, "b", "3", headers: "X: y")], .replayed).isEmpty)
        #expect(!differences(source, [target[0], message(2, "b", "2", headers: "X: z")], .replayed).isEmpty)
        #expect(!differences(source, [target[0], message(2, "c", "2", headers: "X: y")], .replayed).isEmpty)
        #expect(!differences(source, [target[1], target[0]], .replayed).isEmpty)
        #expect(!differences(source, [target[0]], .replayed).isEmpty)
        #expect(!differences([], target, .replayed).isEmpty)
    }

    @Test("The newest entries of each key stay, in their order")
    func newest() {
        let all = [message(1, "a", "1"), message(2, "b", "1"), message(3, "a", "2"), message(4, "a", "3")]
        #expect(BucketComparison.newest(2, of: all) == [all[1], all[2], all[3]])
    }

    @Test("The generator repeats itself for a seed and holds what it promises")
    func generator() {
        let puts = BucketGenerator(entries: 20_000, seed: 3).puts()
        #expect(puts == BucketGenerator(entries: 20_000, seed: 3).puts())
        #expect(puts.count == 20_000)
        #expect(puts.count { $0.key == Array("busy.key".utf8) } > 64)
        #expect(puts.contains { $0.value.count == (1 << 20) - 256 })
        #expect(puts.contains { $0.headers.isEmpty && $0.value.isEmpty })
        let used = Set(puts.flatMap(\.key))
        #expect(used == Set(BucketGenerator.legalCharacters.utf8))
    }
}
