import TestSupport
import Testing

/// Sound inputs, damaged in a thousand ways: whatever comes of them, it is an answer or an error.
///
/// 2,000,000 inputs in all with `scripts/test --long`.
@Suite("Damaged snapshots")
struct MutationTests {
    private static let inputs = isLongRun ? 400_000 : 2_500

    @Test("Damage gives errors, no trap, no hang, no endless memory", arguments: SnapshotLayer.allCases)
    func mutations(layer: SnapshotLayer) throws {
        var random = SeededGenerator(seed: 0xC157_E4A0 + UInt64(layer.rawValue.utf8.count))
        let corpus = try layer.corpus()
        var refused = 0
        for _ in 0..<Self.inputs {
            var input = corpus[Int.random(in: 0..<corpus.count, using: &random)]
            Self.damage(&input, &random)
            if try !layer.digest(input) { refused += 1 }
        }
        #expect(refused > Self.inputs / 20, "\(layer) was hardly ever damaged")
    }

    private static func damage(_ input: inout [UInt8], _ random: inout SeededGenerator) {
        let telling: [UInt8] = [0, 1, 0x7f, 0x80, 0xff, 0xfe, 22, 11, 4, 60, 61, 62, 63]
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            guard !input.isEmpty else { return }
            let place = Int.random(in: 0..<input.count, using: &random)
            switch Int.random(in: 0..<7, using: &random) {
            case 0: input[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: input[place] = telling[Int.random(in: 0..<telling.count, using: &random)]
            case 2: input.removeSubrange(place...)
            case 3: input.remove(at: place)
            case 4: input.insert(UInt8.random(in: 0...255, using: &random), at: place)
            case 5:
                let end = min(input.count, place + Int.random(in: 1...600, using: &random))
                input.append(contentsOf: input[place..<end])
            default:
                for index in place..<min(input.count, place + 8) { input[index] = 0xff }
            }
        }
    }
}
