import Foundation
import Testing

@testable import Archive

/// Sound segments, damaged in many ways: 2,000,000 inputs with `scripts/test --long`.
@Test("Damage gives a segment or an error, no trap, no hang, no endless memory")
func mutatedSegments() throws {
    var random = SeededGenerator(seed: 0x5e9)
    let corpus = try SegmentInput.corpus()
    for input in corpus.prefix(2) {
        #expect(try input.withUnsafeBytes { try SegmentInput.digest($0) })
    }
    let rounds = isLongRun ? 2_000_000 : 5_000
    var refused = 0
    for _ in 0..<rounds {
        var input = corpus[Int.random(in: 0..<corpus.count, using: &random)]
        damage(&input, &random)
        if try !input.withUnsafeBytes({ try SegmentInput.digest($0) }) { refused += 1 }
    }
    #expect(refused > rounds / 20 && refused < rounds, "\(refused) of \(rounds) inputs were refused")
}

private func damage(_ input: inout [UInt8], _ random: inout SeededGenerator) {
    let telling: [UInt8] = [0, 1, 0x7f, 0x80, 0xff, 0xfe]
    for _ in 0..<Int.random(in: 1...4, using: &random) {
        guard input.count > 3 else { return }
        let place = Int.random(in: 0..<input.count, using: &random)
        switch Int.random(in: 0..<7, using: &random) {
        case 0: input[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: input[place] = telling[Int.random(in: 0..<telling.count, using: &random)]
        case 2: input.removeSubrange(place...)
        case 3: input.remove(at: place)
        case 4: input.insert(UInt8.random(in: 0...255, using: &random), at: place)
        case 5:
            // The table of columns and the counts before it are where a change does most.
            let index = Int.random(in: 3..<min(input.count, 3 + 20 + 90), using: &random)
            input[index] = UInt8.random(in: 0...255, using: &random)
        default: for index in place..<min(input.count, place + 8) { input[index] = 0xff }
        }
    }
}
