import KVModel

/// Writes JSON objects, one a line, straight into bytes.
struct JSONLineWriter {
    /// What was written and not taken yet.
    private(set) var bytes: [UInt8] = []
    private var times = TimeText()
    private var isFirst = true

    /// Forgets what was written.
    mutating func clear() {
        bytes.removeAll(keepingCapacity: true)
    }

    /// Begins a line of a type.
    mutating func begin(_ type: InterchangeLine.Kind) {
        bytes.append(0x7b)
        isFirst = true
        text("type", type.rawValue)
    }

    /// Ends the line.
    mutating func end() {
        bytes.append(0x7d)
        bytes.append(10)
    }

    mutating func text(_ name: StaticString, _ text: String) {
        member(name)
        var text = text
        text.withUTF8 { string(UnsafeRawBufferPointer($0)) }
    }

    mutating func texts(_ name: StaticString, _ texts: [String]) {
        member(name)
        bytes.append(0x5b)
        for (index, text) in texts.enumerated() {
            if index > 0 { bytes.append(0x2c) }
            var text = text
            text.withUTF8 { string(UnsafeRawBufferPointer($0)) }
        }
        bytes.append(0x5d)
    }

    mutating func ranges(_ name: StaticString, _ ranges: ArraySlice<ClosedRange<Revision>>) {
        member(name)
        bytes.append(0x5b)
        for (index, range) in ranges.enumerated() {
            if index > 0 { bytes.append(0x2c) }
            bytes.append(0x5b)
            append(range.lowerBound)
            bytes.append(0x2c)
            append(range.upperBound)
            bytes.append(0x5d)
        }
        bytes.append(0x5d)
    }

    mutating func number(_ name: StaticString, _ number: UInt64) {
        member(name)
        append(number)
    }

    /// A time as text, or as nanoseconds where text cannot say it.
    mutating func time(_ name: StaticString, _ time: Timestamp) {
        member(name)
        guard TimeText.range.contains(time.nanoseconds) else {
            bytes.append(contentsOf: String(time.nanoseconds).utf8)
            return
        }
        bytes.append(0x22)
        times.append(time, to: &bytes)
        bytes.append(0x22)
    }

    /// Bytes as text where they are text, otherwise in Base64 under the other name.
    mutating func content(_ name: StaticString, _ base64Name: StaticString, _ content: UnsafeRawBufferPointer) {
        switch TextBytes.kind(content) {
        case .plain:
            member(name)
            bytes.append(0x22)
            bytes.append(contentsOf: content)
            bytes.append(0x22)
        case .escaped:
            member(name)
            string(content)
        case .binary:
            member(base64Name)
            bytes.append(0x22)
            Base64.encode(content, into: &bytes)
            bytes.append(0x22)
        }
    }

    /// A header block as names and values where that says all of it, otherwise in Base64.
    mutating func headers(_ block: UnsafeRawBufferPointer) {
        guard HeaderLines.isRegular(block) else {
            member("headers_base64")
            bytes.append(0x22)
            Base64.encode(block, into: &bytes)
            bytes.append(0x22)
            return
        }
        member("headers")
        bytes.append(0x5b)
        var isFirstLine = true
        HeaderBlock.scan(block) { name, value in
            if !isFirstLine { bytes.append(0x2c) }
            isFirstLine = false
            bytes.append(contentsOf: #"{"name":"#.utf8)
            string(name)
            bytes.append(contentsOf: #","value":"#.utf8)
            string(value)
            bytes.append(0x7d)
            return true
        }
        bytes.append(0x5d)
    }

    private mutating func member(_ name: StaticString) {
        if !isFirst { bytes.append(0x2c) }
        isFirst = false
        bytes.append(0x22)
        bytes.append(contentsOf: UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
        bytes.append(0x22)
        bytes.append(0x3a)
    }

    private static let hexadecimal = Array("0123456789abcdef".utf8)

    /// A string; the bytes are UTF-8.
    private mutating func string(_ text: UnsafeRawBufferPointer) {
        bytes.append(0x22)
        var start = 0
        for position in 0..<text.count {
            let byte = text[position]
            guard byte < 0x20 || byte == 0x22 || byte == 0x5c || byte == 0x7f else { continue }
            bytes.append(contentsOf: text.part(start..<position))
            start = position + 1
            bytes.append(0x5c)
            switch byte {
            case 0x22, 0x5c: bytes.append(byte)
            case 9: bytes.append(0x74)
            case 10: bytes.append(0x6e)
            case 13: bytes.append(0x72)
            default:
                bytes.append(contentsOf: "u00".utf8)
                bytes.append(Self.hexadecimal[Int(byte >> 4)])
                bytes.append(Self.hexadecimal[Int(byte & 15)])
            }
        }
        bytes.append(contentsOf: text.part(start..<text.count))
        bytes.append(0x22)
    }

    private mutating func append(_ number: UInt64) {
        var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
        withUnsafeMutableBytes(of: &digits) { space in
            var rest = number
            var start = space.count
            repeat {
                start -= 1
                space[start] = 48 + UInt8(rest % 10)
                rest /= 10
            } while rest > 0
            bytes.append(contentsOf: space[start...])
        }
    }
}

/// Header blocks that a list of names and values says completely.
enum HeaderLines {
    private static let opening = Array("NATS/1.0\r\n".utf8)

    /// Whether a block is `NATS/1.0`, then lines of `name: value` without other spaces round them, then an empty line,
    /// and all of it text.
    static func isRegular(_ block: UnsafeRawBufferPointer) -> Bool {
        if block.isEmpty { return true }
        guard block.count > opening.count + 2, block.prefix(opening.count).elementsEqual(opening),
            TextBytes.kind(block) != .binary
        else { return false }
        var position = opening.count
        while position < block.count - 2 {
            var end = position
            while end < block.count, block[end] != 10 { end += 1 }
            guard end < block.count - 2, isRegularLine(block.part(position..<end)) else { return false }
            position = end + 1
        }
        return position == block.count - 2 && block[position] == 13 && block[position + 1] == 10
    }

    private static func isRegularLine(_ line: UnsafeRawBufferPointer) -> Bool {
        guard line.last == 13, let colon = line.firstIndex(of: 58), colon > 0, colon + 1 < line.count,
            line[colon + 1] == 32
        else { return false }
        return isName(line.part(0..<colon)) && isValue(line.part(colon + 2..<line.count - 1))
    }

    /// Whether bytes can be a header's name.
    static func isName(_ name: UnsafeRawBufferPointer) -> Bool {
        !name.isEmpty && !name.contains { $0 == 58 || $0 == 13 || $0 == 10 }
    }

    /// Whether bytes can be a header's value, which loses spaces at its ends.
    static func isValue(_ value: UnsafeRawBufferPointer) -> Bool {
        guard let first = value.first, let last = value.last else { return true }
        return !value.contains { $0 == 13 || $0 == 10 } && first != 32 && first != 9 && last != 32 && last != 9
    }

    /// Appends the line of a header to a block, which it begins if it is empty.
    static func append(_ name: [UInt8], _ value: [UInt8], to block: inout [UInt8]) {
        if block.isEmpty { block.append(contentsOf: opening) }
        block.append(contentsOf: name)
        block.append(58)
        block.append(32)
        block.append(contentsOf: value)
        block.append(13)
        block.append(10)
    }
}
