import Foundation
import Testing

/// Nanoseconds since 1970 of an RFC 3339 time.
func moment(_ text: String) throws -> Int64 {
    let date = try #require(try? Date(text, strategy: .iso8601))
    return Int64(date.timeIntervalSince1970) * 1_000_000_000
}

/// Nanoseconds since 1970 as an RFC 3339 time of Greenwich.
func text(_ time: Int64) -> String {
    Date(timeIntervalSince1970: Double(time) / 1e9).formatted(.iso8601)
}

/// A generator of the same numbers for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
