public import NIOCore

extension Headers {
    /// Reads a header block as it is on the wire; nil if it does not begin with `NATS/1.0`.
    ///
    /// Lines without a colon are passed over: a publisher may put anything there, and the rest is still of use.
    public init?(wire block: UnsafeRawBufferPointer) {
        let version = "NATS/1.0".utf8
        guard block.count >= version.count, block.prefix(version.count).elementsEqual(version) else { return nil }
        var lines = HeaderLines(block: block, position: version.count)
        let rest = lines.next() ?? UnsafeRawBufferPointer(rebasing: block[0..<0])
        let (status, words) = Self.statusLine(rest)
        var fields: [Field] = []
        while let line = lines.next() {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            fields.append(
                Field(
                    name: String(decoding: line[..<colon], as: UTF8.self),
                    value: String(decoding: Self.trimmed(line[(colon + 1)...]), as: UTF8.self)
                )
            )
        }
        self.init(fields: fields, status: status, statusDescription: words)
    }

    /// Writes the block, including its empty last line.
    public func encode(into buffer: inout ByteBuffer) {
        buffer.writeStaticString("NATS/1.0")
        if let status {
            // A status is read as three digits only.
            buffer.writeString(" " + String(repeating: "0", count: max(0, 3 - "\(status)".utf8.count)) + "\(status)")
            if let statusDescription { buffer.writeString(" \(statusDescription)") }
        }
        buffer.writeStaticString("\r\n")
        for field in fields {
            buffer.writeString(field.name)
            buffer.writeStaticString(": ")
            buffer.writeString(field.value)
            buffer.writeStaticString("\r\n")
        }
        buffer.writeStaticString("\r\n")
    }

    private static func statusLine(_ line: UnsafeRawBufferPointer) -> (status: Int?, words: String?) {
        let text = trimmed(line[...])
        let digits = text.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
        guard digits.count == 3, let status = Int(String(decoding: digits, as: UTF8.self)) else { return (nil, nil) }
        let words = trimmed(text.dropFirst(digits.count))
        return (status, words.isEmpty ? nil : String(decoding: words, as: UTF8.self))
    }

    private static func trimmed(_ text: Slice<UnsafeRawBufferPointer>) -> Slice<UnsafeRawBufferPointer> {
        var text = text
        while let first = text.first, first == 0x20 || first == 0x09 { text = text.dropFirst() }
        while let last = text.last, last == 0x20 || last == 0x09 { text = text.dropLast() }
        return text
    }
}

/// The lines of a header block, without their ends; stops at the empty line.
private struct HeaderLines {
    let block: UnsafeRawBufferPointer
    var position: Int
    var isFirst = true

    init(block: UnsafeRawBufferPointer, position: Int) {
        self.block = block
        self.position = position
    }

    mutating func next() -> UnsafeRawBufferPointer? {
        guard position < block.count else { return nil }
        let start = position
        let end = block[start...].firstIndex(of: 0x0A) ?? block.count
        position = min(end + 1, block.count)
        var textEnd = end
        if textEnd > start, block[textEnd - 1] == 0x0D { textEnd -= 1 }
        guard textEnd > start || isFirst else { return nil }
        isFirst = false
        return UnsafeRawBufferPointer(rebasing: block[start..<textEnd])
    }
}
