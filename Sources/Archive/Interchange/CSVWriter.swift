import KVModel

/// Writes entries as a table for spreadsheets: RFC 4180, in UTF-8, lines ended by CR and LF.
struct CSVWriter {
    private(set) var bytes: [UInt8] = []
    private var times = TimeText()
    private static let columns = [
        "cluster", "bucket", "created", "revision", "time", "operation", "key", "key_encoding", "headers", "value",
        "value_encoding",
    ]
    private static let lineEnd: [UInt8] = [13, 10]

    mutating func clear() {
        bytes.removeAll(keepingCapacity: true)
    }

    /// The names of the columns.
    mutating func heading() {
        bytes.append(contentsOf: Self.columns.joined(separator: ",").utf8)
        bytes.append(contentsOf: Self.lineEnd)
    }

    mutating func row(_ entry: EntryView, of incarnation: Incarnation) {
        field(incarnation.cluster)
        field(incarnation.bucket.rawValue)
        field(incarnation.created)
        field(String(entry.revision))
        if TimeText.range.contains(entry.time.nanoseconds) {
            times.append(entry.time, to: &bytes)
            bytes.append(0x2c)
        } else {
            field(entry.time.description)
        }
        field(entry.operation.word)
        content(entry.key)
        bytes.append(0x2c)
        headers(entry.headers)
        content(entry.value)
        bytes.append(contentsOf: Self.lineEnd)
    }

    private mutating func field(_ text: String) {
        var text = text
        text.withUTF8 { quoted(UnsafeRawBufferPointer($0)) }
        bytes.append(0x2c)
    }

    /// A field and how it is written: `text` or `base64`.
    private mutating func content(_ content: UnsafeRawBufferPointer) {
        let isText = TextBytes.kind(content) != .binary
        if isText { quoted(content) } else { Base64.encode(content, into: &bytes) }
        bytes.append(contentsOf: isText ? ",text".utf8 : ",base64".utf8)
    }

    /// A header block as lines of `name: value`.
    private mutating func headers(_ block: UnsafeRawBufferPointer) {
        var text: [UInt8] = []
        if !block.isEmpty {
            HeaderBlock.scan(block) { name, value in
                if !text.isEmpty { text.append(10) }
                text.append(contentsOf: name)
                text.append(contentsOf: ": ".utf8)
                text.append(contentsOf: value)
                return true
            }
        }
        text.withUnsafeBytes { text in
            if TextBytes.kind(text) != .binary { quoted(text) } else { Base64.encode(block, into: &bytes) }
        }
        bytes.append(0x2c)
    }

    /// In quotes where a comma, a quote or a line end stands in it.
    private mutating func quoted(_ text: UnsafeRawBufferPointer) {
        guard text.contains(where: { $0 == 0x2c || $0 == 0x22 || $0 == 10 || $0 == 13 }) else {
            bytes.append(contentsOf: text)
            return
        }
        bytes.append(0x22)
        for byte in text {
            if byte == 0x22 { bytes.append(0x22) }
            bytes.append(byte)
        }
        bytes.append(0x22)
    }
}
