/// A stored message of a stream as the server itself gives it, byte for byte.
public struct RawMessage: Sendable, Equatable, CustomStringConvertible {
    /// Its sequence: in a bucket, the revision.
    public let seq: UInt64
    /// Its subject; in a bucket `$KV.<bucket>.<key>`.
    public let subject: [UInt8]
    /// The header block from `NATS/1.0` to the empty line; empty if there is none.
    public let headers: [UInt8]
    /// The payload.
    public let data: [UInt8]
    /// When it was stored, as the server writes it.
    public let time: String

    /// A message made by hand.
    public init(seq: UInt64, subject: [UInt8], headers: [UInt8], data: [UInt8], time: String) {
        self.seq = seq
        self.subject = subject
        self.headers = headers
        self.data = data
        self.time = time
    }

    /// Short, whatever the value's size.
    public var description: String {
        "\(seq) \(String(decoding: subject, as: UTF8.self)) \(headerList) \(data.count) bytes"
    }

    /// The key in `bucket`; the whole subject if it is none of that bucket's.
    public func key(in bucket: String) -> [UInt8] {
        let prefix = Array("$KV.\(bucket).".utf8)
        return subject.starts(with: prefix) ? Array(subject[prefix.count...]) : subject
    }

    /// The headers in their order.
    public var headerList: [RawHeader] { RawHeader.parse(headers) }

    /// Whether it deletes or purges its key.
    public var isTombstone: Bool {
        headerList.contains { $0.name == "KV-Operation" && ($0.value == "DEL" || $0.value == "PURGE") }
    }
}

/// One header of a message.
public struct RawHeader: Sendable, Hashable, CustomStringConvertible {
    /// Its name, as written.
    public var name: String
    /// Its value, without the blanks round it.
    public var value: String

    /// A header `name: value`.
    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }

    /// As in a header block.
    public var description: String { "\(name): \(value)" }

    static func parse(_ block: [UInt8]) -> [RawHeader] {
        guard !block.isEmpty else { return [] }
        // "\r\n" is a single Character, so lines split at the newline scalar.
        return String(decoding: block, as: UTF8.self).unicodeScalars.split(separator: "\n").dropFirst()
            .compactMap { line in
                let text = String(String.UnicodeScalarView(line))
                guard let colon = text.firstIndex(of: ":") else { return nil }
                return RawHeader(String(text[..<colon]), trimmed(text[text.index(after: colon)...]))
            }
    }

    private static func trimmed(_ text: Substring) -> String {
        var scalars = text.unicodeScalars
        while let first = scalars.first, first == " " || first == "\t" { scalars.removeFirst() }
        while let last = scalars.last, last == " " || last == "\t" || last == "\r" { scalars.removeLast() }
        return String(scalars)
    }
}
