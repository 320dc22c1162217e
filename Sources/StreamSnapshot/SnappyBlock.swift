/// Unpacks one compressed block of snappy, or of S2, which adds copies that repeat the last distance.
///
/// The formats: google/snappy `format_description.txt`; klauspost/compress, S2, "Block format".
enum SnappyBlock {
    /// The unpacked length that a block begins with, and where its elements begin; nil if that is unsound.
    static func length(_ block: UnsafeRawBufferPointer) -> (count: Int, start: Int)? {
        var value: UInt64 = 0
        for index in 0..<min(5, block.count) {
            value |= UInt64(block[index] & 0x7f) << UInt64(index * 7)
            if block[index] < 0x80 { return value <= UInt64(UInt32.max) ? (Int(value), index + 1) : nil }
        }
        return nil
    }

    /// Unpacks the elements that follow the length; false if they do not fill `target` exactly.
    static func unpack(_ elements: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer) -> Bool {
        guard let from = elements.baseAddress, let to = target.baseAddress else { return target.isEmpty }
        let end = elements.count
        var read = 0
        var written = 0
        var distance = 0
        while read < end {
            let tag = Int(from.load(fromByteOffset: read, as: UInt8.self))
            var count: Int
            switch tag & 3 {
            case 0:
                guard let literal = literalLength(tag, from, &read, end) else { return false }
                guard literal <= end - read, literal <= target.count - written else { return false }
                (to + written).copyMemory(from: from + read, byteCount: literal)
                read += literal
                written += literal
                continue
            case 1:
                guard end - read >= 2 else { return false }
                let offset = (tag & 0xe0) << 3 | Int(from.load(fromByteOffset: read + 1, as: UInt8.self))
                read += 2
                count = tag >> 2 & 7
                if offset == 0 {
                    guard let longer = repeatLength(count, from, &read, end) else { return false }
                    count = longer
                } else {
                    distance = offset
                }
                count += 4
            case 2:
                guard end - read >= 3 else { return false }
                count = 1 + tag >> 2
                distance = Int(UInt16(littleEndian: from.loadUnaligned(fromByteOffset: read + 1, as: UInt16.self)))
                read += 3
            default:
                guard end - read >= 5 else { return false }
                count = 1 + tag >> 2
                distance = Int(UInt32(littleEndian: from.loadUnaligned(fromByteOffset: read + 1, as: UInt32.self)))
                read += 5
            }
            guard distance > 0, distance <= written, count <= target.count - written else { return false }
            copy(to, &written, count, distance)
        }
        return written == target.count
    }

    private static func copy(_ to: UnsafeMutableRawPointer, _ written: inout Int, _ count: Int, _ distance: Int) {
        var left = count
        var width = distance
        // Where source and target overlap, what is copied doubles at each step.
        while left > 0 {
            let step = min(width, left)
            (to + written).copyMemory(from: to + (written - width), byteCount: step)
            written += step
            left -= step
            width += step
        }
    }

    private static func literalLength(_ tag: Int, _ from: UnsafeRawPointer, _ read: inout Int, _ end: Int) -> Int? {
        let short = tag >> 2
        read += 1
        guard short >= 60 else { return short + 1 }
        let bytes = short - 59
        guard end - read >= bytes else { return nil }
        var value = 0
        for index in 0..<bytes {
            value |= Int(from.load(fromByteOffset: read + index, as: UInt8.self)) << (index * 8)
        }
        read += bytes
        return value + 1
    }

    private static func repeatLength(_ code: Int, _ from: UnsafeRawPointer, _ read: inout Int, _ end: Int) -> Int? {
        guard code >= 5 else { return code }
        let bytes = code - 4
        guard end - read >= bytes else { return nil }
        var value = 0
        for index in 0..<bytes {
            value |= Int(from.load(fromByteOffset: read + index, as: UInt8.self)) << (index * 8)
        }
        read += bytes
        return value + [4, 1 << 8, 1 << 16][bytes - 1]
    }
}
