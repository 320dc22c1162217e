/// The headers of an entry, as an ordered list of names and values.
///
/// Entries carry their header block as the bytes of the wire, from `NATS/1.0` to the empty line; that is what the
/// archive keeps. This type is for the few places that must look inside or write a changed block. Values keep every
/// byte except surrounding spaces. Names compare exactly: servers treat `Nats-TTL` and `nats-ttl` as different.
public struct HeaderBlock: Sendable, Equatable {
    /// One header line.
    public struct Field: Sendable, Equatable {
        /// The name as sent.
        public var name: String
        /// The value without surrounding spaces.
        public var value: String

        /// A header line of this name and value.
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// The header lines in order.
    public var fields: [Field]

    /// A block of these lines.
    public init(fields: [Field] = []) {
        self.fields = fields
    }

    /// Reads a wire block; lines without a colon are passed over, bytes that are not UTF-8 become U+FFFD.
    public init(_ bytes: UnsafeRawBufferPointer) {
        fields = []
        Self.scan(bytes) { name, value in
            fields.append(
                Field(name: String(decoding: name, as: UTF8.self), value: String(decoding: value, as: UTF8.self))
            )
            return true
        }
    }

    /// The first value under a name; setting replaces all of that name, setting nil removes them.
    public subscript(name: String) -> String? {
        get { fields.first { $0.name == name }?.value }
        set {
            guard let newValue else {
                fields.removeAll { $0.name == name }
                return
            }
            if let index = fields.firstIndex(where: { $0.name == name }) {
                fields[index].value = newValue
                var kept = false
                fields.removeAll { field in
                    guard field.name == name else { return false }
                    defer { kept = true }
                    return kept
                }
            } else {
                fields.append(Field(name: name, value: newValue))
            }
        }
    }

    /// The wire form, `NATS/1.0` to the empty line; empty if there are no fields.
    public func encoded() -> [UInt8] {
        guard !fields.isEmpty else { return [] }
        var bytes = Array("NATS/1.0\r\n".utf8)
        for field in fields {
            bytes.append(contentsOf: field.name.utf8)
            bytes.append(contentsOf: ": ".utf8)
            bytes.append(contentsOf: field.value.utf8)
            bytes.append(contentsOf: "\r\n".utf8)
        }
        bytes.append(contentsOf: "\r\n".utf8)
        return bytes
    }

    /// The first value under a name in a wire block, found without allocating.
    public static func value(of name: StaticString, in block: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let wanted = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        var found: UnsafeRawBufferPointer?
        scan(block) { name, value in
            guard name.count == wanted.count, name.elementsEqual(wanted) else { return true }
            found = value
            return false
        }
        return found
    }

    /// Calls `body` with each name and trimmed value until it answers false.
    public static func scan(
        _ block: UnsafeRawBufferPointer,
        _ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool
    ) {
        var position = 0
        var isStatusLine = true
        while position < block.count {
            var end = position
            while end < block.count, block[end] != 10 { end += 1 }
            var lineEnd = end
            if lineEnd > position, block[lineEnd - 1] == 13 { lineEnd -= 1 }
            if !isStatusLine {
                var colon = position
                while colon < lineEnd, block[colon] != 58 { colon += 1 }
                if colon < lineEnd {
                    var start = colon + 1
                    while start < lineEnd, block[start] == 32 || block[start] == 9 { start += 1 }
                    var stop = lineEnd
                    while stop > start, block[stop - 1] == 32 || block[stop - 1] == 9 { stop -= 1 }
                    let name = UnsafeRawBufferPointer(rebasing: block[position..<colon])
                    let value = UnsafeRawBufferPointer(rebasing: block[start..<stop])
                    guard body(name, value) else { return }
                }
            }
            isStatusLine = false
            position = end + 1
        }
    }
}
