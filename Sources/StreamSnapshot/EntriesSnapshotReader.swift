import KVModel

/// Reads the entries format of servers from 2.15 on: `NATSARC1`, then entries, then an empty one as the end.
///
/// An entry is `name length, time, sequence, header length, payload length` as varints, then name, header, payload.
struct EntriesSnapshotReader {
    static let magic = Array("NATSARC1".utf8)
    private static let maximumName = 1 << 20
    private static let maximumPart = 80 << 20

    private(set) var totals = SnapshotTotals()
    private(set) var state: SnapshotState?
    private var items = ItemBuffer()
    private var isEnded = false
    private var last: UInt64 = 0

    /// Takes more of the unpacked stream, from behind the magic word.
    mutating func take(_ piece: UnsafeRawBufferPointer, _ body: (SnapshotEntry) throws -> Void) throws {
        guard !isEnded else { return }
        var items = ItemBuffer()
        swap(&items, &self.items)
        defer { swap(&items, &self.items) }
        let offset = items.offset
        try items.take(piece) { bytes in
            var scanner = ByteScanner(bytes)
            var used = 0
            do {
                while !isEnded {
                    try entry(&scanner, offset + UInt64(used), body)
                    used = scanner.position
                }
            } catch ByteScanner.Stop.needsMore {
                return used
            } catch ByteScanner.Stop.malformed {
                throw failure(.corrupt, offset + UInt64(used), "an entry's numbers are unsound")
            }
            return bytes.count
        }
    }

    /// What the whole stream held, once it has come.
    func finish() throws(StreamSnapshotError) -> SnapshotContents {
        guard isEnded else { throw failure(.truncated, items.offset, "the end marker is missing") }
        var totals = totals
        totals.lastSequence = max(totals.lastSequence, state?.lastSequence ?? 0)
        return SnapshotContents(
            format: .entries,
            configuration: nil,
            created: nil,
            state: state,
            totals: totals,
            deleted: DeletedSequences()
        )
    }

    private mutating func entry(
        _ scanner: inout ByteScanner,
        _ offset: UInt64,
        _ body: (SnapshotEntry) throws -> Void
    ) throws {
        let nameCount = try scanner.varint()
        let time = try scanner.zigZag()
        let sequence = try scanner.varint()
        let headerCount = try scanner.varint()
        let valueCount = try scanner.varint()
        if nameCount == 0, time == 0, sequence == 0, headerCount == 0, valueCount == 0 {
            isEnded = true
            return
        }
        guard nameCount <= UInt64(Self.maximumName), headerCount <= UInt64(Self.maximumPart),
            valueCount <= UInt64(Self.maximumPart)
        else { throw failure(.tooLarge, offset, "an entry of \(nameCount), \(headerCount) and \(valueCount) bytes") }
        let name = try scanner.take(Int(nameCount))
        let headers = try scanner.take(Int(headerCount))
        let value = try scanner.take(Int(valueCount))
        guard sequence > 0 else {
            if name.elementsEqual("state.json".utf8) {
                state = SnapshotState(json: try JSONText.decode(Array(value), "state.json"))
            }
            return
        }
        guard nameCount > 0 else { throw failure(.corrupt, offset, "a message has no subject") }
        guard sequence > last else {
            throw failure(.corrupt, offset, "sequence \(sequence) comes after sequence \(last)")
        }
        last = sequence
        totals.lastSequence = sequence
        let entry = SnapshotEntry(
            sequence: sequence,
            time: Timestamp(nanoseconds: time),
            subject: name,
            headers: headers,
            value: value
        )
        totals.count(entry)
        try body(entry)
    }

    private func failure(_ code: StreamSnapshotError.Code, _ offset: UInt64, _ text: String) -> StreamSnapshotError {
        let start = UInt64(Self.magic.count)
        return StreamSnapshotError(code, at: "snapshot entries, byte \(offset + start)", text)
    }
}
