/// The number codings of segment bodies, written: varints (LEB128), zig-zag, little-endian, byte planes.
extension [UInt8] {
    /// Appends an unsigned number, seven bits a byte, lowest first.
    @inline(__always)
    mutating func appendVarint(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }

    /// Appends a signed number so that small magnitudes take few bytes.
    @inline(__always)
    mutating func appendZigZag(_ number: Int64) {
        appendVarint(UInt64(bitPattern: (number << 1) ^ (number >> 63)))
    }

    /// Appends a number in four bytes, lowest first.
    mutating func appendLittleEndian(_ number: UInt32) {
        for shift in stride(from: UInt32(0), to: 32, by: 8) { append(UInt8(truncatingIfNeeded: number >> shift)) }
    }

    /// Appends a number in eight bytes, highest first.
    mutating func appendBigEndian(_ number: UInt64) {
        Swift.withUnsafeBytes(of: number.bigEndian) { append(contentsOf: $0) }
    }

    /// Appends numbers as planes: all their lowest bytes, then all their second bytes, and so on.
    mutating func appendPlanes(_ numbers: [UInt32], width: Int) {
        reserveCapacity(count + numbers.count * width)
        for plane in 0..<width {
            let shift = UInt32(plane * 8)
            for number in numbers { append(UInt8(truncatingIfNeeded: number >> shift)) }
        }
    }

    /// How many planes numbers below `limit` need.
    static func planeWidth(limit: Int) -> Int {
        switch limit {
        case ...0x100: 1
        case ...0x1_0000: 2
        case ...0x100_0000: 3
        default: 4
        }
    }
}
