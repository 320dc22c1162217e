/// Distinct byte strings numbered in the order of their first appearance.
///
/// The strings lie end to end in one array; an open-addressing table finds them, with each hash beside its number so
/// that a probe rarely touches the bytes. Nothing is allocated per string. The hash is seeded per process: keys come from
/// strangers.
struct ByteDictionary: Sendable {
    private(set) var bytes: [UInt8] = []
    /// Where each string ends in `bytes`; one begins where its predecessor ends.
    private(set) var ends: [Int] = []
    /// 0 for none, else the hash above one more than the number.
    private var slots: [UInt64]
    private var mask: Int
    private static let seed = UInt64.random(in: .min ... .max)

    /// An empty dictionary with room for about this many strings.
    init(capacity: Int = 16) {
        var size = 32
        while size < capacity * 2 { size *= 2 }
        slots = [UInt64](repeating: 0, count: size)
        mask = size - 1
    }

    var count: Int { ends.count }

    /// The range of a string in `bytes`.
    func range(_ index: Int) -> Range<Int> {
        (index == 0 ? 0 : ends[index - 1])..<ends[index]
    }

    /// The number of a string, new or known.
    mutating func insert(_ string: UnsafeRawBufferPointer) -> Int {
        insert(string, hash: Self.hash(string))
    }

    /// The same, of a string whose hash is known.
    mutating func insert(_ string: UnsafeRawBufferPointer, hash: UInt32) -> Int {
        if let known = find(string, hash: hash) { return known }
        let index = ends.count
        bytes.append(contentsOf: string)
        ends.append(bytes.count)
        place(UInt64(hash) << 32 | UInt64(truncatingIfNeeded: index + 1))
        if ends.count * 2 > slots.count { grow() }
        return index
    }

    /// The number of a string, if it is here.
    func find(_ string: UnsafeRawBufferPointer) -> Int? {
        find(string, hash: Self.hash(string))
    }

    /// Whether a string of this hash is here.
    func holds(hash: UInt32) -> Bool {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 {
            if UInt32(truncatingIfNeeded: slots[slot] >> 32) == hash { return true }
            slot = (slot + 1) & mask
        }
        return false
    }

    /// The same, of a string whose hash is known.
    func find(_ string: UnsafeRawBufferPointer, hash: UInt32) -> Int? {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 {
            let index = Int(slots[slot] & 0xffff_ffff) - 1
            if UInt32(truncatingIfNeeded: slots[slot] >> 32) == hash, isEqual(index, string) { return index }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// Fetches what `find` will touch for these hashes, for all of them at once: one after the other, each would wait for
    /// memory several times.
    ///
    /// Answers a number without meaning, so that nothing of it is left out.
    func prefetch(_ hashes: ArraySlice<UInt32>) -> Int {
        var touched = 0
        slots.withUnsafeBufferPointer { slots in
            ends.withUnsafeBufferPointer { ends in
                bytes.withUnsafeBufferPointer { bytes in
                    withUnsafeTemporaryAllocation(of: Int.self, capacity: hashes.count) { starts in
                        var count = 0
                        for hash in hashes {
                            starts[count] = Int(slots[Int(truncatingIfNeeded: hash) & mask] & 0xffff_ffff)
                            count += 1
                        }
                        for place in 0..<count where starts[place] > 0 {
                            starts[place] = ends[starts[place] - 1]
                        }
                        for place in 0..<count where starts[place] > 0 {
                            touched &+= Int(bytes[starts[place] - 1])
                        }
                    }
                }
            }
        }
        return touched
    }

    private func isEqual(_ index: Int, _ string: UnsafeRawBufferPointer) -> Bool {
        let range = range(index)
        guard range.count == string.count else { return false }
        return bytes.withUnsafeBytes { UnsafeRawBufferPointer(rebasing: $0[range]).isSame(as: string) }
    }

    private mutating func place(_ entry: UInt64) {
        var slot = Int(truncatingIfNeeded: entry >> 32) & mask
        while slots[slot] != 0 { slot = (slot + 1) & mask }
        slots[slot] = entry
    }

    private mutating func grow() {
        let entries = slots
        let size = slots.count * 2
        mask = size - 1
        slots = [UInt64](repeating: 0, count: size)
        for entry in entries where entry != 0 { place(entry) }
    }

    /// Multiply and fold, eight bytes at a time (the scheme of wyhash, without its guarantees, which none needs here).
    static func hash(_ string: UnsafeRawBufferPointer) -> UInt32 {
        var state = seed ^ UInt64(truncatingIfNeeded: string.count)
        var offset = 0
        while offset + 8 <= string.count {
            state = fold(state ^ string.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        var rest: UInt64 = 0
        while offset < string.count {
            rest = rest << 8 | UInt64(string[offset])
            offset += 1
        }
        state = fold(state ^ rest ^ 0xa076_1d64_78bd_642f)
        return UInt32(truncatingIfNeeded: state ^ state >> 32)
    }

    @inline(__always)
    private static func fold(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0xe703_7ed1_a0b4_28db)
        return product.high ^ product.low
    }
}
