/// What a `.idx` file says of the message block beside it (servers up to 2.9; later ones still take it).
struct LegacyBlockIndex: Equatable {
    /// Larger ones are passed over.
    static let maximumBytes = 16 << 20

    var messages: UInt64
    var first: UInt64
    var last: UInt64
    /// The checksum of the block's last record, 0 for a block without any.
    var checksum: UInt64
    var deleted: Set<UInt64> = []

    /// The index of a block that holds nothing and says that the stream was at a sequence.
    init(emptyAt last: UInt64) {
        (messages, first, checksum) = (0, last &+ 1, 0)
        self.last = last
    }

    /// Reads a file; nil if it is unsound.
    init?(_ bytes: UnsafeRawBufferPointer) {
        var scanner = ByteScanner(bytes)
        do {
            guard try scanner.byte() == 22, try scanner.byte() == 1 else { return nil }
            messages = try scanner.varint()
            _ = try scanner.varint()
            first = try scanner.varint()
            _ = try scanner.zigZag()
            last = try scanner.varint()
            _ = try scanner.zigZag()
            let count = try scanner.varint()
            checksum = try scanner.word()
            // There may be fewer than counted: servers drop some while they write.
            while scanner.remaining > 0, UInt64(deleted.count) < count {
                let (sequence, overflow) = first.addingReportingOverflow(try scanner.varint())
                guard !overflow else { return nil }
                deleted.insert(sequence)
            }
        } catch {
            return nil
        }
    }

    /// The file of a block without messages.
    func encoded(time: Int64) -> [UInt8] {
        var bytes: [UInt8] = [22, 1]
        bytes.append(varint: messages)
        bytes.append(varint: 0)
        bytes.append(varint: first)
        bytes.append(zigZag: 0)
        bytes.append(varint: last)
        bytes.append(zigZag: time)
        bytes.append(varint: 0)
        bytes.append(littleEndian: checksum)
        return bytes
    }
}
