import CChecksum

/// HighwayHash-64, the keyed checksum of a server's message blocks, in portable arithmetic.
///
/// Alakuijala, Cox and Wassenberg, "Fast keyed hash/pseudo-random function using SIMD multiply and permute", 2016. A
/// value that was only given its key is cheap to copy: hash many messages under one key by copying it for each.
struct HighwayHash64 {
    private var v00: UInt64, v01: UInt64, v02: UInt64, v03: UInt64
    private var v10: UInt64, v11: UInt64, v12: UInt64, v13: UInt64
    private var m00: UInt64, m01: UInt64, m02: UInt64, m03: UInt64
    private var m10: UInt64, m11: UInt64, m12: UInt64, m13: UInt64
    /// The bytes that do not fill a packet of 32 yet, lowest first.
    private var rest: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    private var restCount = 0

    /// A hash under a key of 32 bytes; shorter keys count as filled up with zeros.
    init(key: [UInt8]) {
        func word(_ index: Int) -> UInt64 {
            key.dropFirst(index * 8).prefix(8).enumerated()
                .reduce(0) { $0 | UInt64($1.element) << UInt64($1.offset * 8) }
        }
        m00 = 0xdbe6_d5d5_fe4c_ce2f
        m01 = 0xa409_3822_299f_31d0
        m02 = 0x1319_8a2e_0370_7344
        m03 = 0x243f_6a88_85a3_08d3
        m10 = 0x3bd3_9e10_cb0e_f593
        m11 = 0xc0ac_f169_b5f1_8a8c
        m12 = 0xbe54_66cf_34e9_0c6c
        m13 = 0x4528_21e6_38d0_1377
        v00 = m00 ^ word(0)
        v01 = m01 ^ word(1)
        v02 = m02 ^ word(2)
        v03 = m03 ^ word(3)
        v10 = m10 ^ Self.swapHalves(word(0))
        v11 = m11 ^ Self.swapHalves(word(1))
        v12 = m12 ^ Self.swapHalves(word(2))
        v13 = m13 ^ Self.swapHalves(word(3))
    }

    /// The hash of a byte string under a key.
    static func hash(_ bytes: [UInt8], key: [UInt8]) -> UInt64 {
        var hash = HighwayHash64(key: key)
        bytes.withUnsafeBytes { hash.update($0) }
        return hash.finish()
    }

    /// Whether the processor takes four lanes at once.
    private static let isInHardware = checksum_highwayhash64_is_available()

    /// The hash of parts that follow each other, where nothing but the key was taken yet.
    func hash(
        _ first: UnsafeRawBufferPointer,
        _ second: UnsafeRawBufferPointer,
        _ third: UnsafeRawBufferPointer,
        _ fourth: UnsafeRawBufferPointer
    ) -> UInt64 {
        guard Self.isInHardware else { return stepwise(first, second, third, fourth) }
        let state = (v00, v01, v02, v03, v10, v11, v12, v13, m00, m01, m02, m03, m10, m11, m12, m13)
        let parts = (Self.part(first), Self.part(second), Self.part(third), Self.part(fourth))
        return withUnsafeBytes(of: state) { state in
            withUnsafeBytes(of: parts) { parts in
                checksum_highwayhash64(
                    state.assumingMemoryBound(to: UInt64.self).baseAddress,
                    parts.assumingMemoryBound(to: checksum_part.self).baseAddress,
                    4
                )
            }
        }
    }

    /// The same where the processor does not.
    func stepwise(
        _ first: UnsafeRawBufferPointer,
        _ second: UnsafeRawBufferPointer,
        _ third: UnsafeRawBufferPointer,
        _ fourth: UnsafeRawBufferPointer
    ) -> UInt64 {
        var hash = self
        hash.update(first)
        hash.update(second)
        hash.update(third)
        hash.update(fourth)
        return hash.finish()
    }

    private static func part(_ bytes: UnsafeRawBufferPointer) -> checksum_part {
        checksum_part(bytes: bytes.baseAddress, count: bytes.count)
    }

    /// Takes more bytes.
    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, !bytes.isEmpty else { return }
        var position = 0
        if restCount > 0 {
            let count = min(32 - restCount, bytes.count)
            let filled = restCount
            withUnsafeMutableBytes(of: &rest) { packet in
                packet.baseAddress?.advanced(by: filled).copyMemory(from: base, byteCount: count)
            }
            restCount += count
            position = count
            guard restCount == 32 else { return }
            mix(
                UInt64(littleEndian: rest.0),
                UInt64(littleEndian: rest.1),
                UInt64(littleEndian: rest.2),
                UInt64(littleEndian: rest.3)
            )
            restCount = 0
        }
        while bytes.count - position >= 32 {
            let packet = base + position
            mix(
                UInt64(littleEndian: packet.loadUnaligned(as: UInt64.self)),
                UInt64(littleEndian: packet.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                UInt64(littleEndian: packet.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
                UInt64(littleEndian: packet.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
            )
            position += 32
        }
        restCount = bytes.count - position
        guard restCount > 0 else { return }
        let count = restCount
        withUnsafeMutableBytes(of: &rest) { packet in
            packet.baseAddress?.copyMemory(from: base + position, byteCount: count)
        }
    }

    /// The hash of all bytes taken; nothing may be taken after that.
    mutating func finish() -> UInt64 {
        if restCount > 0 { mixRest() }
        for _ in 0..<4 {
            mix(Self.swapHalves(v02), Self.swapHalves(v03), Self.swapHalves(v00), Self.swapHalves(v01))
        }
        return v00 &+ v10 &+ m00 &+ m10
    }

    private mutating func mixRest() {
        let count = restCount
        let both = UInt64(count) << 32 | UInt64(count)
        v00 &+= both
        v01 &+= both
        v02 &+= both
        v03 &+= both
        v10 = Self.rotateHalves(v10, count)
        v11 = Self.rotateHalves(v11, count)
        v12 = Self.rotateHalves(v12, count)
        v13 = Self.rotateHalves(v13, count)
        let bytes = withUnsafeBytes(of: rest) { Array($0) }
        var packet = [UInt8](repeating: 0, count: 32)
        let whole = count & ~3
        let odd = count & 3
        for index in 0..<whole { packet[index] = bytes[index] }
        if count & 16 != 0 {
            for index in 0..<4 { packet[28 + index] = bytes[whole + index + odd - 4] }
        } else if odd > 0 {
            packet[16] = bytes[whole]
            packet[17] = bytes[whole + odd >> 1]
            packet[18] = bytes[whole + odd - 1]
        }
        func word(_ index: Int) -> UInt64 {
            (0..<8).reduce(0) { $0 | UInt64(packet[index * 8 + $1]) << UInt64($1 * 8) }
        }
        mix(word(0), word(1), word(2), word(3))
    }

    @inline(__always)
    private mutating func mix(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64) {
        Self.multiply(&v00, &v10, &m00, &m10, a)
        Self.multiply(&v01, &v11, &m01, &m11, b)
        Self.multiply(&v02, &v12, &m02, &m12, c)
        Self.multiply(&v03, &v13, &m03, &m13, d)
        Self.zip(v11, v10, &v01, &v00)
        Self.zip(v13, v12, &v03, &v02)
        Self.zip(v01, v00, &v11, &v10)
        Self.zip(v03, v02, &v13, &v12)
    }

    @inline(__always)
    private static func multiply(
        _ v0: inout UInt64,
        _ v1: inout UInt64,
        _ m0: inout UInt64,
        _ m1: inout UInt64,
        _ lane: UInt64
    ) {
        v1 &+= m0 &+ lane
        m0 ^= (v1 & 0xffff_ffff) &* (v0 >> 32)
        v0 &+= m1
        m1 ^= (v0 & 0xffff_ffff) &* (v1 >> 32)
    }

    /// Mixes bytes of two lanes into two others, so that every byte of a product reaches another lane.
    @inline(__always)
    private static func zip(_ high: UInt64, _ low: UInt64, _ toHigh: inout UInt64, _ toLow: inout UInt64) {
        let low24 = ((low & 0xff00_0000) | (high & 0xff_0000_0000)) >> 24
        let low16 = ((low & 0xff00_0000_0000) | (high & 0xff_0000_0000_0000)) >> 16
        let lowKept = (low & 0xff_0000) | ((low & 0xff00) << 32)
        toLow &+= low24 | low16 | lowKept | ((high & 0xff00_0000_0000_0000) >> 8) | (low << 56)
        let high24 = ((high & 0xff00_0000) | (low & 0xff_0000_0000)) >> 24
        let highKept = (high & 0xff_0000) | ((high & 0xff00_0000_0000) >> 16) | ((high & 0xff00) << 24)
        let highLow = ((low & 0xff_0000_0000_0000) >> 8) | (low & 0xff00_0000_0000_0000)
        toHigh &+= high24 | highKept | highLow | ((high & 0xff) << 48)
    }

    @inline(__always)
    private static func swapHalves(_ word: UInt64) -> UInt64 { word >> 32 | word << 32 }

    private static func rotateHalves(_ word: UInt64, _ count: Int) -> UInt64 {
        let low = UInt32(truncatingIfNeeded: word)
        let high = UInt32(truncatingIfNeeded: word >> 32)
        func rotated(_ half: UInt32) -> UInt64 { UInt64(half << UInt32(count) | half >> UInt32(32 - count)) }
        return rotated(high) << 32 | rotated(low)
    }
}
