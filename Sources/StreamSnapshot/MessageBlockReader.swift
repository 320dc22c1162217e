import KVModel

/// Reads the records of one message block as its bytes come.
struct MessageBlockReader {
    private enum Form {
        case unknown
        case plain
        /// The server compressed the block on its disk: a nested S2 stream, then the last record's hash once more.
        case compressed(S2Reader)
    }

    let number: UInt64
    private let name: String
    private let keyed: HighwayHash64
    private var form = Form.unknown
    private var start: [UInt8] = []
    /// Of a compressed block the last bytes, which are no part of its S2 stream.
    private var tail: [UInt8] = []
    private var items = ItemBuffer()
    /// The last record's hash, 0 before the first record.
    private(set) var lastHash: UInt64 = 0

    init(stream: String, number: UInt64) {
        self.number = number
        name = "msgs/\(number).blk"
        keyed = MessageRecord.keyed(stream: stream, block: number)
    }

    /// Takes more of the block.
    mutating func take(
        _ piece: UnsafeRawBufferPointer,
        _ body: (MessageRecord.Parts) throws -> Void
    ) throws {
        switch form {
        case .unknown:
            start.append(contentsOf: piece)
            guard start.count >= 14 else { return }
            try begin(body)
        case .plain:
            try records(piece, body)
        case .compressed(var reader):
            form = .unknown
            defer { form = .compressed(reader) }
            try unpack(piece, &reader, body)
        }
    }

    /// Checks that the block ended where a record ends.
    mutating func finish(_ body: (MessageRecord.Parts) throws -> Void) throws {
        if case .unknown = form, !start.isEmpty {
            form = .plain
            try start.withUnsafeBytes { try records($0, body) }
        }
        if case .compressed(let reader) = form { try reader.finish() }
        guard items.isEmpty else {
            throw StreamSnapshotError(.corrupt, at: place(items.offset), "the block ends inside a record")
        }
    }

    private mutating func begin(_ body: (MessageRecord.Parts) throws -> Void) throws {
        let bytes = start
        start = []
        guard bytes.starts(with: "cmp".utf8) else {
            form = .plain
            return try bytes.withUnsafeBytes { try records($0, body) }
        }
        var scanner = 4
        while scanner < 14, bytes[scanner] >= 0x80 { scanner += 1 }
        guard bytes[3] == 1, scanner < 14 else {
            throw StreamSnapshotError(.unsupported, at: name, "the block is compressed in an unknown way")
        }
        var reader = S2Reader(place: name)
        try bytes.withUnsafeBytes { all in
            try unpack(UnsafeRawBufferPointer(rebasing: all[(scanner + 1)...]), &reader, body)
        }
        form = .compressed(reader)
    }

    private mutating func unpack(
        _ piece: UnsafeRawBufferPointer,
        _ reader: inout S2Reader,
        _ body: (MessageRecord.Parts) throws -> Void
    ) throws {
        tail.append(contentsOf: piece)
        let known = tail.count - MessageRecord.hashBytes
        guard known > 0 else { return }
        tail.withUnsafeBytes { reader.append(UnsafeRawBufferPointer(rebasing: $0[0..<known])) }
        tail.removeSubrange(0..<known)
        while try reader.next() { try reader.withBlock { try records($0, body) } }
    }

    private mutating func records(
        _ piece: UnsafeRawBufferPointer,
        _ body: (MessageRecord.Parts) throws -> Void
    ) throws {
        var items = ItemBuffer()
        swap(&items, &self.items)
        defer { swap(&items, &self.items) }
        let offset = items.offset
        try items.take(piece) { bytes in
            var used = 0
            while bytes.count - used >= 4 {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[used...])
                let (count, hasHeaders) = MessageRecord.length(rest)
                guard count >= MessageRecord.emptyBytes, count <= MessageRecord.maximumBytes else {
                    throw unsound(offset + UInt64(used), "a record of \(count) bytes")
                }
                guard rest.count >= count else { break }
                let record = UnsafeRawBufferPointer(rebasing: rest[0..<count])
                guard let parts = MessageRecord.parts(record, hasHeaders: hasHeaders) else {
                    throw unsound(offset + UInt64(used), "a record's lengths contradict each other")
                }
                guard parts.expectedHash(keyed) == parts.hash else {
                    throw unsound(offset + UInt64(used), "the checksum of a record is wrong")
                }
                lastHash = parts.hash
                try body(parts)
                used += count
            }
            return used
        }
    }

    private func unsound(_ offset: UInt64, _ text: String) -> StreamSnapshotError {
        // The first record of a sound block is sound: one that is not means that the block is no plain one.
        guard offset == 0 else { return StreamSnapshotError(.corrupt, at: place(offset), text) }
        return StreamSnapshotError(
            .corrupt,
            at: place(offset),
            text + ", so the block is damaged, encrypted, or another stream's"
        )
    }

    private func place(_ offset: UInt64) -> String { "\(name), byte \(offset)" }
}
