/// What is wrong with a line; whoever knows its number makes an `ArchiveError` of it.
struct LineDamage: Error, Equatable, CustomStringConvertible {
    let description: String
    let hint: String?

    init(_ description: String, hint: String? = nil) {
        self.description = description
        self.hint = hint
    }
}

/// Reads one line of JSON, value by value, without building a tree of it; whatever does not fit throws.
struct JSONLineParser {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    private static let maximumDepth = 64

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    /// What a value is, by its first character.
    enum ValueKind {
        case string
        case number
        case object
        case array
        case word
    }

    private mutating func skipSpaces() {
        while position < bytes.count, [32, 9, 13, 10].contains(bytes[position]) { position += 1 }
    }

    private mutating func skip(_ byte: UInt8) -> Bool {
        skipSpaces()
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private func broken(_ expected: String) -> LineDamage {
        position < bytes.count
            ? LineDamage("it is not JSON: \(expected) is missing at byte \(position + 1)")
            : LineDamage("it is not JSON: the line ends too early", hint: "it may have been cut off; export it again")
    }

    /// Reads the line's object; `member` must read or skip each value.
    mutating func line(
        _ member: (_ name: UnsafeRawBufferPointer, _ parser: inout JSONLineParser) throws(LineDamage) -> Void
    ) throws(LineDamage) {
        try object(member)
        skipSpaces()
        guard position == bytes.count else { throw LineDamage("there is more behind its object") }
    }

    /// Reads an object.
    mutating func object(
        _ member: (_ name: UnsafeRawBufferPointer, _ parser: inout JSONLineParser) throws(LineDamage) -> Void
    ) throws(LineDamage) {
        guard skip(0x7b) else { throw broken("{") }
        if skip(0x7d) { return }
        repeat {
            let name = try rawString()
            guard skip(0x3a) else { throw broken(":") }
            try member(name, &self)
        } while skip(0x2c)
        guard skip(0x7d) else { throw broken("}") }
    }

    /// Reads an array; `element` must read or skip each value.
    mutating func array(_ element: (inout JSONLineParser) throws(LineDamage) -> Void) throws(LineDamage) {
        guard skip(0x5b) else { throw broken("[") }
        if skip(0x5d) { return }
        repeat { try element(&self) } while skip(0x2c)
        guard skip(0x5d) else { throw broken("]") }
    }

    /// What comes next.
    mutating func kind() throws(LineDamage) -> ValueKind {
        skipSpaces()
        guard position < bytes.count else { throw broken("a value") }
        switch bytes[position] {
        case 0x22: return .string
        case 0x7b: return .object
        case 0x5b: return .array
        case 0x2d, 48...57: return .number
        default: return .word
        }
    }

    /// The bytes between a string's quotes, escapes as they stand.
    mutating func rawString() throws(LineDamage) -> UnsafeRawBufferPointer {
        guard skip(0x22) else { throw broken("a string") }
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case 0x22:
                position += 1
                return bytes.part(start..<position - 1)
            case 0x5c: position += 2
            case 0..<0x20: throw LineDamage("it is not JSON: a control character stands in a string")
            default: position += 1
            }
        }
        position = bytes.count
        throw broken("\"")
    }

    /// Replaces `output` by what a string says, in UTF-8.
    mutating func string(into output: inout [UInt8]) throws(LineDamage) {
        output.removeAll(keepingCapacity: true)
        let raw = try rawString()
        guard TextBytes.isUTF8(raw) else {
            throw LineDamage("a string is not UTF-8", hint: "bytes that are not text go into …_base64")
        }
        var start = 0
        var position = 0
        while position < raw.count {
            guard raw[position] == 0x5c else {
                position += 1
                continue
            }
            output.append(contentsOf: raw.part(start..<position))
            position = try Self.escape(raw, at: position + 1, into: &output)
            start = position
        }
        output.append(contentsOf: raw.part(start..<raw.count))
    }

    /// Replaces `output` by the bytes that a string of Base64 stands for.
    mutating func base64(into output: inout [UInt8]) throws(LineDamage) {
        output.removeAll(keepingCapacity: true)
        guard Base64.decode(try rawString(), into: &output) else { throw LineDamage("a text is no Base64") }
    }

    /// A string as text.
    mutating func text() throws(LineDamage) -> String {
        var output: [UInt8] = []
        try string(into: &output)
        return String(decoding: output, as: UTF8.self)
    }

    private static func escape(
        _ raw: UnsafeRawBufferPointer,
        at position: Int,
        into output: inout [UInt8]
    ) throws(LineDamage) -> Int {
        guard position < raw.count else { throw LineDamage("it is not JSON: an escape ends too early") }
        switch raw[position] {
        case 0x22, 0x5c, 0x2f: output.append(raw[position])
        case 0x62: output.append(8)
        case 0x66: output.append(12)
        case 0x6e: output.append(10)
        case 0x72: output.append(13)
        case 0x74: output.append(9)
        case 0x75:
            var unit = try hexadecimal(raw, at: position + 1)
            var end = position + 5
            if (0xd800...0xdbff).contains(unit), end + 1 < raw.count, raw[end] == 0x5c, raw[end + 1] == 0x75 {
                let low = try hexadecimal(raw, at: end + 2)
                if (0xdc00...0xdfff).contains(low) {
                    unit = 0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00)
                    end += 6
                }
            }
            guard let scalar = Unicode.Scalar(unit) else {
                throw LineDamage("a string is not Unicode: half of a surrogate pair stands alone")
            }
            output.append(contentsOf: Unicode.UTF8.encode(scalar) ?? Unicode.UTF8.encodedReplacementCharacter)
            return end
        default: throw LineDamage("it is not JSON: an escape is unknown")
        }
        return position + 1
    }

    private static func hexadecimal(_ raw: UnsafeRawBufferPointer, at position: Int) throws(LineDamage) -> UInt32 {
        guard position + 4 <= raw.count else { throw LineDamage("it is not JSON: an escape ends too early") }
        var value: UInt32 = 0
        for index in position..<position + 4 {
            switch raw[index] {
            case let digit where (48...57).contains(digit): value = value << 4 | UInt32(digit - 48)
            case let digit where (65...70).contains(digit): value = value << 4 | UInt32(digit - 55)
            case let digit where (97...102).contains(digit): value = value << 4 | UInt32(digit - 87)
            default: throw LineDamage("it is not JSON: an escape is unknown")
            }
        }
        return value
    }

    private mutating func digits() throws(LineDamage) -> UInt64 {
        var value: UInt64 = 0
        let start = position
        while position < bytes.count, (48...57).contains(bytes[position]) {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowToo) = product.addingReportingOverflow(UInt64(bytes[position] - 48))
            guard !overflow, !overflowToo else { throw LineDamage("a number is too large") }
            value = sum
            position += 1
        }
        let isWhole = position == bytes.count || ![46, 69, 101].contains(bytes[position])
        guard position > start, isWhole else { throw LineDamage("a whole number is missing at byte \(start + 1)") }
        return value
    }

    /// A whole number without a sign.
    mutating func number() throws(LineDamage) -> UInt64 {
        skipSpaces()
        return try digits()
    }

    /// A whole number.
    mutating func signed() throws(LineDamage) -> Int64 {
        let isNegative = skip(0x2d)
        let magnitude = try number()
        guard magnitude <= UInt64(Int64.max) + (isNegative ? 1 : 0) else { throw LineDamage("a number is too large") }
        return isNegative ? 0 &- Int64(truncatingIfNeeded: magnitude) : Int64(magnitude)
    }

    /// Passes over a value of any kind.
    mutating func skipValue(depth: Int = 0) throws(LineDamage) {
        guard depth < Self.maximumDepth else { throw LineDamage("it is nested too deeply") }
        switch try kind() {
        case .string: _ = try rawString()
        case .object:
            try object { (_, parser) throws(LineDamage) in try parser.skipValue(depth: depth + 1) }
        case .array:
            try array { (parser) throws(LineDamage) in try parser.skipValue(depth: depth + 1) }
        case .number:
            while position < bytes.count, [43, 45, 46, 69, 101].contains(bytes[position]) || isDigit { position += 1 }
        case .word:
            let words = [Array("true".utf8), Array("false".utf8), Array("null".utf8)]
            let rest = bytes.part(position..<bytes.count)
            guard let word = words.first(where: { rest.starts(with: $0) }) else { throw broken("a value") }
            position += word.count
        }
    }

    private var isDigit: Bool { (48...57).contains(bytes[position]) }
}
