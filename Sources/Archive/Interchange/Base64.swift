/// Base64 (RFC 4648, the standard alphabet, padded), from bytes to bytes.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 0xff, count: 256)
        for (value, letter) in alphabet.enumerated() { values[Int(letter)] = UInt8(value) }
        return values
    }()

    /// Appends the letters of bytes.
    static func encode(_ bytes: UnsafeRawBufferPointer, into output: inout [UInt8]) {
        output.reserveCapacity(output.count + (bytes.count + 2) / 3 * 4)
        alphabet.withUnsafeBufferPointer { alphabet in
            var position = 0
            while position < bytes.count {
                let left = bytes.count - position
                let second = left > 1 ? bytes[position + 1] : 0
                let third = left > 2 ? bytes[position + 2] : 0
                let group = Int(bytes[position]) << 16 | Int(second) << 8 | Int(third)
                output.append(alphabet[group >> 18])
                output.append(alphabet[group >> 12 & 63])
                output.append(left > 1 ? alphabet[group >> 6 & 63] : 61)
                output.append(left > 2 ? alphabet[group & 63] : 61)
                position += 3
            }
        }
    }

    /// Appends the bytes that letters stand for; answers false if they are no Base64.
    static func decode(_ letters: UnsafeRawBufferPointer, into output: inout [UInt8]) -> Bool {
        guard letters.count.isMultiple(of: 4) else { return false }
        guard !letters.isEmpty else { return true }
        var padding = 0
        if letters[letters.count - 1] == 61 { padding = letters[letters.count - 2] == 61 ? 2 : 1 }
        output.reserveCapacity(output.count + letters.count / 4 * 3)
        return values.withUnsafeBufferPointer { values in
            var position = 0
            while position < letters.count {
                let isLast = position + 4 == letters.count
                var group = 0
                for offset in 0..<4 {
                    let isPadding = isLast && offset >= 4 - padding
                    let value = isPadding ? 0 : values[Int(letters[position + offset])]
                    guard value < 64 else { return false }
                    group = group << 6 | Int(value)
                }
                let kept = isLast ? 3 - padding : 3
                // Bits that stand for nothing must be zero, or two texts would mean the same bytes.
                guard kept == 3 || group & (1 << (8 * (3 - kept)) - 1) == 0 else { return false }
                for index in 0..<kept { output.append(UInt8(truncatingIfNeeded: group >> (16 - 8 * index))) }
                position += 4
            }
            return true
        }
    }
}
