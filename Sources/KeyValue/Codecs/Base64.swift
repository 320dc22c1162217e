/// Base64 of RFC 4648, in either alphabet, with padding or without it.
struct Base64: Sendable, Hashable {
    /// The two characters that stand for 62 and 63: `-_` or `+/`.
    let alphabet: Base64Alphabet
    /// Whether what is encoded is filled up with `=` to a multiple of four characters.
    let isPadded: Bool

    /// The characters of some bytes.
    func encode(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity((bytes.count + 2) / 3 * 4)
        var word: UInt32 = 0
        var count = 0
        for byte in bytes {
            word = word << 8 | UInt32(byte)
            count += 1
            if count == 3 {
                append(word, 4, to: &output)
                (word, count) = (0, 0)
            }
        }
        guard count > 0 else { return output }
        append(word << UInt32(8 * (3 - count)), count + 1, to: &output)
        if isPadded { output.append(contentsOf: repeatElement(61, count: 3 - count)) }
        return output
    }

    /// The bytes that characters stand for, padded or not; nil if they are no Base64 of this alphabet.
    func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        var output: [UInt8] = []
        output.reserveCapacity(text.count / 4 * 3 + 2)
        var word: UInt32 = 0
        var count = 0
        var padding = 0
        for character in text {
            if character == 61 {
                padding += 1
                continue
            }
            guard padding == 0, let value = value(of: character) else { return nil }
            word = word << 6 | value
            count += 1
            guard count % 4 == 0 else { continue }
            output.append(UInt8(truncatingIfNeeded: word >> 16))
            output.append(UInt8(truncatingIfNeeded: word >> 8))
            output.append(UInt8(truncatingIfNeeded: word))
            word = 0
        }
        guard padding == 0 || (padding < 3 && (count + padding) % 4 == 0) else { return nil }
        switch count % 4 {
        case 0: return padding == 0 ? output : nil
        case 2: output.append(UInt8(truncatingIfNeeded: word >> 4))
        case 3:
            output.append(UInt8(truncatingIfNeeded: word >> 10))
            output.append(UInt8(truncatingIfNeeded: word >> 2))
        default: return nil
        }
        return output
    }

    private func append(_ word: UInt32, _ count: Int, to output: inout [UInt8]) {
        for position in 0..<count {
            output.append(character(UInt8(truncatingIfNeeded: word >> UInt32(18 - 6 * position)) & 63))
        }
    }

    private func character(_ value: UInt8) -> UInt8 {
        switch value {
        case 0..<26: value + 65
        case 26..<52: value + 71
        case 52..<62: value - 4
        case 62: alphabet == .url ? 45 : 43
        default: alphabet == .url ? 95 : 47
        }
    }

    private func value(of character: UInt8) -> UInt32? {
        switch (character, alphabet) {
        case (65...90, _): UInt32(character) - 65
        case (97...122, _): UInt32(character) - 71
        case (48...57, _): UInt32(character) + 4
        case (45, .url), (43, .standard): 62
        case (95, .url), (47, .standard): 63
        default: nil
        }
    }
}

/// Which characters Base64 is written in, beside letters and digits.
public enum Base64Alphabet: Sendable, Hashable {
    /// `-` and `_`, which may stand in keys.
    case url
    /// `+` and `/`; a `+` may not stand in a key.
    case standard
}
