/// Reads the number codings of segment bodies; whatever does not fit is damage, never a trap.
struct ByteReader {
    private let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { position == bytes.count }

    /// A byte.
    @inline(__always)
    mutating func byte() throws(SegmentDamage) -> UInt8 {
        guard position < bytes.count else { throw SegmentDamage("a column ends too early") }
        defer { position += 1 }
        return bytes[position]
    }

    /// An unsigned number of at most ten bytes.
    @inline(__always)
    mutating func varint() throws(SegmentDamage) -> UInt64 {
        let first = try byte()
        if first < 0x80 { return UInt64(first) }
        var value = UInt64(first & 0x7f)
        var shift: UInt64 = 7
        while true {
            let next = try byte()
            if shift == 63, next > 1 { throw SegmentDamage("a number is too long") }
            value |= UInt64(next & 0x7f) << shift
            if next < 0x80 { return value }
            shift += 7
            if shift > 63 { throw SegmentDamage("a number is too long") }
        }
    }

    /// A signed number.
    @inline(__always)
    mutating func zigZag() throws(SegmentDamage) -> Int64 {
        let raw = try varint()
        return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
    }

    /// An unsigned number that must not exceed `limit`.
    @inline(__always)
    mutating func count(limit: Int, _ what: StaticString) throws(SegmentDamage) -> Int {
        let value = try varint()
        guard value <= UInt64(limit) else { throw SegmentDamage("\(what) is out of bounds") }
        return Int(value)
    }

    /// A number of four bytes, lowest first.
    mutating func littleEndian() throws(SegmentDamage) -> UInt32 {
        var value: UInt32 = 0
        for shift in stride(from: UInt32(0), to: 32, by: 8) { value |= UInt32(try byte()) << shift }
        return value
    }

    /// The next bytes.
    mutating func take(_ count: Int) throws(SegmentDamage) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= bytes.count - position else { throw SegmentDamage("a column ends too early") }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
    }

    /// Numbers written as planes, each below `limit`; the whole input must be theirs.
    static func planes(
        _ bytes: UnsafeRawBufferPointer,
        count: Int,
        limit: Int,
        _ what: StaticString
    ) throws(SegmentDamage) -> [UInt32] {
        let width = [UInt8].planeWidth(limit: limit)
        guard bytes.count == count * width else { throw SegmentDamage("\(what) have the wrong length") }
        var numbers = [UInt32](repeating: 0, count: count)
        var largest: UInt32 = 0
        for index in 0..<count {
            var number: UInt32 = 0
            for plane in 0..<width { number |= UInt32(bytes[plane * count + index]) << UInt32(plane * 8) }
            numbers[index] = number
            largest = max(largest, number)
        }
        guard count == 0 || Int(largest) < limit else { throw SegmentDamage("\(what) point outside the dictionary") }
        return numbers
    }
}
