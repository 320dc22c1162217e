/// Says of a key that a segment does not hold it, without the segment being unpacked.
///
/// A Bloom filter of ten bits a key and seven probes: about one key in a hundred is looked for in vain. The hash is
/// FNV-1a of 64 bits with a final mix, because the format must say exactly what it is.
struct KeyFilter {
    private static let kind: UInt8 = 1
    private static let probes: UInt8 = 7
    private static let headerBytes = 2
    let encoded: [UInt8]

    /// The filter of these keys; a segment with an entry that drops everything counts as holding the empty key too.
    init(_ keys: ByteDictionary, dropsEverything: Bool) {
        let byteCount = max(8, (keys.count * 10 + 7) / 8)
        var output = [UInt8](repeating: 0, count: Self.headerBytes + byteCount)
        output[0] = Self.kind
        output[1] = Self.probes
        let insert = { (key: UnsafeRawBufferPointer) in
            _ = Self.probe(Self.hash(key), bits: byteCount * 8) { bit in
                output[Self.headerBytes + bit >> 3] |= 1 << UInt8(bit & 7)
                return true
            }
        }
        keys.bytes.withUnsafeBytes { bytes in
            for index in 0..<keys.count { insert(bytes.part(keys.range(index))) }
        }
        if dropsEverything { insert(UnsafeRawBufferPointer(start: nil, count: 0)) }
        encoded = output
    }

    /// Whether a stored filter lets the key pass: false is certain, true is not.
    ///
    /// Throws if it is no filter.
    static func mayContain(
        _ key: UnsafeRawBufferPointer,
        in stored: UnsafeRawBufferPointer
    ) throws(SegmentDamage) -> Bool {
        guard stored.count > headerBytes, stored[0] == kind, stored[1] == probes else {
            throw SegmentDamage("the key filter is not one")
        }
        return probe(hash(key), bits: (stored.count - headerBytes) * 8) { bit in
            stored[headerBytes + bit >> 3] & 1 << UInt8(bit & 7) != 0
        }
    }

    private static func probe(_ hash: UInt64, bits: Int, _ body: (Int) -> Bool) -> Bool {
        let step = hash >> 32 | 1
        var position = hash & 0xffff_ffff
        // A remainder by two products instead of a division (Lemire, "Faster remainder by direct computation"): exact
        // while position and divisor have no more than 64 bits together, here at most 36 and 28.
        let divisor = UInt64(bits)
        let inverse = UInt64.max / divisor + 1
        for _ in 0..<probes {
            let remainder = (inverse &* position).multipliedFullWidth(by: divisor).high
            guard body(Int(truncatingIfNeeded: remainder)) else { return false }
            position += step
        }
        return true
    }

    private static func hash(_ key: UnsafeRawBufferPointer) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in key { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        hash = (hash ^ hash >> 33) &* 0xff51_afd7_ed55_8ccd
        return hash ^ hash >> 33
    }
}
