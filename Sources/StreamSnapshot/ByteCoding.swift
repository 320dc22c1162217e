extension [UInt8] {
    /// Appends a number, lowest byte first.
    mutating func append(littleEndian number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
    }

    /// Appends an unsigned number in groups of seven bits, lowest first (LEB128).
    mutating func append(varint number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }

    /// Appends a signed number, zig-zag: 0, -1, 1, -2 become 0, 1, 2, 3.
    mutating func append(zigZag number: Int64) {
        append(varint: UInt64(bitPattern: number << 1 ^ number >> 63))
    }
}

/// Reads numbers one after the other out of bytes that may end anywhere.
struct ByteScanner {
    /// Why a number could not be read.
    enum Stop: Error {
        /// The bytes end before it does: there may be more later.
        case needsMore
        /// It is no number of that kind.
        case malformed
    }

    let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    var remaining: Int { bytes.count - position }

    @inline(__always)
    mutating func varint() throws(Stop) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            guard position < bytes.count else { throw .needsMore }
            let byte = bytes[position]
            guard shift < 63 || byte < 2 else { throw .malformed }
            position += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
    }

    mutating func zigZag() throws(Stop) -> Int64 {
        let raw = try varint()
        return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
    }

    mutating func byte() throws(Stop) -> UInt8 {
        try take(1)[0]
    }

    mutating func word() throws(Stop) -> UInt64 {
        UInt64(littleEndian: try take(8).loadUnaligned(as: UInt64.self))
    }

    mutating func half() throws(Stop) -> UInt32 {
        UInt32(littleEndian: try take(4).loadUnaligned(as: UInt32.self))
    }

    mutating func take(_ count: Int) throws(Stop) -> UnsafeRawBufferPointer {
        guard count >= 0 else { throw .malformed }
        guard count <= remaining else { throw .needsMore }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
    }
}

/// Holds the beginning of an item until the rest of it has come.
struct ItemBuffer {
    private var bytes: [UInt8] = []
    /// Where in the whole the next item begins.
    private(set) var offset: UInt64 = 0

    /// Whether all items have come whole.
    var isEmpty: Bool { bytes.isEmpty }

    /// Calls `parse` with what is there; it answers how many bytes of whole items it has used.
    mutating func take(_ piece: UnsafeRawBufferPointer, _ parse: (UnsafeRawBufferPointer) throws -> Int) rethrows {
        let used: Int
        if bytes.isEmpty {
            used = try parse(piece)
            bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: piece[used...]))
        } else {
            bytes.append(contentsOf: piece)
            used = try bytes.withUnsafeBytes(parse)
            bytes.removeSubrange(0..<used)
        }
        offset += UInt64(used)
    }
}
