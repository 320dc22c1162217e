/// What bytes are to somebody who wants to write them as text.
enum TextBytes {
    /// How bytes can be written.
    enum Kind: Equatable {
        /// As they are: nothing in them means anything to JSON.
        case plain
        /// As text, with some characters escaped.
        case escaped
        /// Not as text: they are not UTF-8, or hold control characters other than tab, line feed and carriage return.
        case binary
    }

    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    /// Looks at the bytes, eight at a time as long as they are plain.
    static func kind(_ bytes: UnsafeRawBufferPointer) -> Kind {
        var position = 0
        while position + 8 <= bytes.count {
            let word = bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            let quote = word ^ (ones &* 0x22)
            let backslash = word ^ (ones &* 0x5c)
            let delete = word ^ (ones &* 0x7f)
            var marked = word | ((word &- (ones &* 0x20)) & ~word)
            marked |= (quote &- ones) & ~quote
            marked |= (backslash &- ones) & ~backslash
            marked |= (delete &- ones) & ~delete
            if marked & highs != 0 { break }
            position += 8
        }
        var kind = Kind.plain
        while position < bytes.count {
            switch bytes[position] {
            case 0x22, 0x5c, 9, 10, 13: kind = .escaped
            case 0..<0x20, 0x7f: return .binary
            case 0x80...:
                guard let length = sequenceLength(bytes, at: position) else { return .binary }
                position += length - 1
            default: break
            }
            position += 1
        }
        return kind
    }

    /// Whether the bytes are UTF-8.
    static func isUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var position = 0
        while position < bytes.count {
            if position + 8 <= bytes.count,
                bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self) & highs == 0
            {
                position += 8
            } else if bytes[position] < 0x80 {
                position += 1
            } else {
                guard let length = sequenceLength(bytes, at: position) else { return false }
                position += length
            }
        }
        return true
    }

    /// The length of the well-formed sequence of two to four bytes at a position (Unicode, table 3-7); nil if none is.
    private static func sequenceLength(_ bytes: UnsafeRawBufferPointer, at position: Int) -> Int? {
        let lead = bytes[position]
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xbf
        switch lead {
        case 0xc2...0xdf: length = 2
        case 0xe0...0xef:
            length = 3
            if lead == 0xe0 { second = 0xa0...0xbf }
            if lead == 0xed { second = 0x80...0x9f }
        case 0xf0...0xf4:
            length = 4
            if lead == 0xf0 { second = 0x90...0xbf }
            if lead == 0xf4 { second = 0x80...0x8f }
        default: return nil
        }
        guard position + length <= bytes.count, second.contains(bytes[position + 1]) else { return nil }
        for offset in 2..<max(2, length) where bytes[position + offset] & 0xc0 != 0x80 { return nil }
        return length
    }
}
