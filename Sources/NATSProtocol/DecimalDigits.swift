/// Decimal numbers as bytes, for places where a `String` for every message would cost too much.
enum DecimalDigits {
    /// The number of digits of a value.
    static func count(_ value: Int) -> Int {
        var rest = value
        var count = 1
        while rest >= 10 {
            rest /= 10
            count += 1
        }
        return count
    }

    /// Writes a value that is not negative at a position and returns the position after it.
    static func write(_ value: Int, to memory: UnsafeMutableRawBufferPointer, at position: Int) -> Int {
        let end = position + count(value)
        var rest = value
        var index = end
        repeat {
            index -= 1
            memory[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
        return end
    }

    /// Reads a whole range as a number of at most nine digits; nil for anything else.
    @inline(__always)
    static func read(_ bytes: UnsafeRawBufferPointer, from start: Int, to end: Int) -> Int? {
        guard end > start, end - start <= 9 else { return nil }
        var value = 0
        for index in start..<end {
            let digit = bytes[index] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            value = value &* 10 &+ Int(digit)
        }
        return value
    }
}
