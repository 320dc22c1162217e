import KVModel

/// A record of a message block: the layout that servers from 2.9 to 2.15 share.
///
/// `length (4) sequence (8) time (8) subject length (2) subject [header length (4) header] payload hash (8)`, all
/// little-endian. Bit 31 of the length says that there are headers.
enum MessageRecord {
    static let headerBytes = 22
    static let hashBytes = 8
    /// A record without subject and payload.
    static let emptyBytes = 30
    /// Larger ones are refused: servers hold no more than 64 MiB in a message.
    static let maximumBytes = 80 << 20
    /// In the sequence: the message was erased.
    static let erased: UInt64 = 1 << 63
    /// In the sequence: this names a message that was deleted.
    static let tombstone: UInt64 = 1 << 62
    private static let hasHeaders: UInt32 = 1 << 31

    /// A record that was taken apart.
    struct Parts {
        let sequence: UInt64
        let time: Int64
        let subject: UnsafeRawBufferPointer
        let headers: UnsafeRawBufferPointer
        let value: UnsafeRawBufferPointer
        /// The hash that it carries.
        let hash: UInt64
        let hashed: (UnsafeRawBufferPointer, UnsafeRawBufferPointer)

        /// The hash that it should carry.
        func expectedHash(_ keyed: HighwayHash64) -> UInt64 {
            keyed.hash(hashed.0, subject, hashed.1, UnsafeRawBufferPointer(start: nil, count: 0))
        }
    }

    /// The length of the record that begins here, and whether it has headers; `bytes` has at least four bytes.
    static func length(_ bytes: UnsafeRawBufferPointer) -> (count: Int, hasHeaders: Bool) {
        let word = UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self))
        return (Int(word & ~hasHeaders), word & hasHeaders != 0)
    }

    /// Takes a whole record apart; nil if its lengths contradict each other.
    static func parts(_ bytes: UnsafeRawBufferPointer, hasHeaders: Bool) -> Parts? {
        guard bytes.count >= emptyBytes else { return nil }
        let subjectCount = Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 20, as: UInt16.self)))
        let end = bytes.count - hashBytes
        let afterSubject = headerBytes + subjectCount
        guard afterSubject <= end else { return nil }
        var headerStart = afterSubject
        var headerEnd = afterSubject
        if hasHeaders {
            guard end - afterSubject >= 4 else { return nil }
            let word = bytes.loadUnaligned(fromByteOffset: afterSubject, as: UInt32.self)
            let count = Int(UInt32(littleEndian: word))
            guard count <= end - afterSubject - 4 else { return nil }
            headerStart = afterSubject + 4
            headerEnd = headerStart + count
        }
        func part(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[range]) }
        return Parts(
            sequence: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt64.self)),
            time: Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 12, as: Int64.self)),
            subject: part(headerBytes..<afterSubject),
            headers: part(headerStart..<headerEnd),
            value: part(headerEnd..<end),
            hash: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: end, as: UInt64.self)),
            hashed: (part(4..<20), part(headerStart..<end))
        )
    }

    /// Appends a record.
    static func append(_ entry: SnapshotEntry, to block: inout [UInt8], _ keyed: HighwayHash64) {
        let headers = entry.headers.isEmpty ? 0 : 4 + entry.headers.count
        let count = emptyBytes + entry.subject.count + headers + entry.value.count
        let start = block.count
        block.append(littleEndian: UInt32(truncatingIfNeeded: count) | (headers > 0 ? hasHeaders : 0))
        block.append(littleEndian: entry.sequence)
        block.append(littleEndian: entry.time.nanoseconds)
        block.append(littleEndian: UInt16(truncatingIfNeeded: entry.subject.count))
        block.append(contentsOf: entry.subject)
        if headers > 0 {
            block.append(littleEndian: UInt32(truncatingIfNeeded: entry.headers.count))
            block.append(contentsOf: entry.headers)
        }
        block.append(contentsOf: entry.value)
        let hash = block.withUnsafeBytes {
            let numbers = UnsafeRawBufferPointer(rebasing: $0[start + 4..<start + 20])
            return keyed.hash(numbers, entry.subject, entry.headers, entry.value)
        }
        block.append(littleEndian: hash)
    }

    /// Appends a record that stands for a sequence without a message; `sequence` with its mark.
    static func append(mark sequence: UInt64, time: Int64, to block: inout [UInt8], _ keyed: HighwayHash64) {
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        let time = Timestamp(nanoseconds: time)
        append(
            SnapshotEntry(sequence: sequence, time: time, subject: nothing, headers: nothing, value: nothing),
            to: &block,
            keyed
        )
    }

    /// The key of a block's hashes.
    static func keyed(stream: String, block: UInt64) -> HighwayHash64 {
        HighwayHash64(key: SHA256.digest("\(stream)-\(block)"))
    }
}
