import CChecksum

/// CRC-32 with Castagnoli's polynomial, and the mask that snappy's framing puts over it.
enum CRC32C {
    /// Whether the processor does it.
    private static let isInHardware = checksum_crc32c_is_available()

    /// Eight tables of 256: the effect of a byte 0 to 7 bytes before the end of a step.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var value = UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0x82f6_3b78 : value >> 1 }
            tables[byte] = value
        }
        for step in 1..<8 {
            for byte in 0..<256 {
                let before = tables[(step - 1) * 256 + byte]
                tables[step * 256 + byte] = before >> 8 ^ tables[Int(before & 0xff)]
            }
        }
        return tables
    }()

    /// The masked checksum of bytes.
    static func masked(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        let value = checksum(bytes)
        return (value >> 15 | value << 17) &+ 0xa282_ead8
    }

    /// The checksum of bytes.
    static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        guard let base = bytes.baseAddress else { return 0 }
        return isInHardware ? ~checksum_crc32c(.max, base, bytes.count) : tabled(bytes)
    }

    /// The same where no instruction does it: eight bytes a step.
    static func tabled(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        guard let base = bytes.baseAddress else { return 0 }
        return tables.withUnsafeBufferPointer { table in
            var value = UInt32.max
            var position = 0
            while bytes.count - position >= 8 {
                let word = UInt64(littleEndian: base.loadUnaligned(fromByteOffset: position, as: UInt64.self))
                let mixed = word ^ UInt64(value)
                value =
                    table[1792 + Int(mixed & 0xff)] ^ table[1536 + Int(mixed >> 8 & 0xff)]
                    ^ table[1280 + Int(mixed >> 16 & 0xff)] ^ table[1024 + Int(mixed >> 24 & 0xff)]
                    ^ table[768 + Int(mixed >> 32 & 0xff)] ^ table[512 + Int(mixed >> 40 & 0xff)]
                    ^ table[256 + Int(mixed >> 48 & 0xff)] ^ table[Int(mixed >> 56)]
                position += 8
            }
            while position < bytes.count {
                value = value >> 8 ^ table[Int((value ^ UInt32(bytes[position])) & 0xff)]
                position += 1
            }
            return ~value
        }
    }
}
