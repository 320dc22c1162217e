/// What a server's `index.db` says of its message blocks, read as its bytes come (servers from 2.10 on).
///
/// After a header come the subjects, which are passed over, and for each block the sequences that it still holds. It
/// counts only if it belongs to the blocks beside it: the checksum of the last block's last record stands at its end.
struct BlockIndex {
    private enum State {
        case header
        case subjects(UInt64)
        case blockCount
        case blocks(UInt64)
        case last
        case done
    }

    /// An item larger than this is none.
    private static let maximumItem = 16 << 20
    private static let magic: UInt8 = 11
    private static let versions: ClosedRange<UInt8> = 1...4

    /// The sequences that the server held no more, up to `lastSequence`.
    private(set) var deleted = DeletedSequences()
    private(set) var lastSequence: UInt64 = 0
    /// The number of the last block, and the checksum of its last record.
    private(set) var lastBlock: (number: UInt64, checksum: UInt64)?
    private var version: UInt8 = 0
    private var state = State.header
    private var items = ItemBuffer()
    private var covered: UInt64 = 0
    private var hash: HighwayHash64
    /// The last bytes, which may be the file's own checksum.
    private var tail: [UInt8] = []
    private var isUnsound = false

    /// The index of a stream of this name.
    init(stream: String) {
        hash = HighwayHash64(key: SHA256.digest(stream))
    }

    /// Takes more of the file.
    ///
    /// What is not understood makes it unsound, no error: then the blocks speak for themselves, as they do for a
    /// server.
    mutating func take(_ piece: UnsafeRawBufferPointer) throws(StreamSnapshotError) {
        guard !isUnsound else { return }
        tail.append(contentsOf: piece)
        let known = tail.count - 8
        guard known > 0 else { return }
        let head = Array(tail[0..<known])
        tail.removeSubrange(0..<known)
        do {
            try head.withUnsafeBytes { bytes in
                hash.update(bytes)
                var items = ItemBuffer()
                swap(&items, &self.items)
                defer { swap(&items, &self.items) }
                try items.take(bytes) { try parse($0) }
            }
        } catch let error as StreamSnapshotError {
            throw error
        } catch {
            isUnsound = true
        }
    }

    /// Whether the file came whole and its checksum is right.
    mutating func isSound() -> Bool {
        guard !isUnsound, tail.count == 8, case .done = state else { return false }
        let expected = tail.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
        return hash.finish() == expected
    }

    private mutating func parse(_ bytes: UnsafeRawBufferPointer) throws -> Int {
        var scanner = ByteScanner(bytes)
        var used = 0
        do {
            while true {
                if case .done = state { return bytes.count }
                try step(&scanner)
                used = scanner.position
            }
        } catch ByteScanner.Stop.needsMore {
            guard bytes.count - used < Self.maximumItem else { throw ByteScanner.Stop.malformed }
            return used
        }
    }

    private mutating func step(_ scanner: inout ByteScanner) throws {
        switch state {
        case .header:
            guard try scanner.byte() == Self.magic else { throw ByteScanner.Stop.malformed }
            let version = try scanner.byte()
            guard Self.versions.contains(version) else { throw ByteScanner.Stop.malformed }
            _ = try (scanner.varint(), scanner.varint(), scanner.varint(), scanner.zigZag())
            let last = try scanner.varint()
            _ = try scanner.zigZag()
            let subjects = try scanner.varint()
            (self.version, lastSequence) = (version, last)
            state = subjects > 0 ? .subjects(subjects) : .blockCount
        case .subjects(let left):
            let length = try scanner.varint()
            if length > 0 {
                guard length <= 65_536 else { throw ByteScanner.Stop.malformed }
                _ = try scanner.take(Int(length))
                let total = try scanner.varint()
                _ = try scanner.varint()
                if total > 1 || version >= 4 { _ = try scanner.varint() }
            }
            state = left > 1 ? .subjects(left - 1) : .blockCount
        case .blockCount:
            let blocks = try scanner.varint()
            state = blocks > 0 ? .blocks(blocks) : .last
        case .blocks(let left):
            try takeBlock(&scanner)
            state = left > 1 ? .blocks(left - 1) : .last
        case .last:
            lastBlock = try (scanner.varint(), scanner.word())
            state = .done
        case .done:
            return
        }
    }

    private mutating func takeBlock(_ scanner: inout ByteScanner) throws {
        _ = try (scanner.varint(), scanner.varint())
        let first = try scanner.varint()
        _ = try scanner.zigZag()
        let last = try scanner.varint()
        _ = try scanner.zigZag()
        let count = try scanner.varint()
        if version >= 2 { _ = try scanner.varint() }
        if version >= 3 { _ = try scanner.varint() }
        var holes = DeletedSequences()
        if count > 0 { holes = try Self.sequenceSet(&scanner) }
        if first > covered, first - covered > 1 { try deleted.insert(covered + 1...first - 1) }
        try deleted.formUnion(holes)
        covered = max(covered, last)
    }

    /// A set of sequences as servers write them: bit maps of 2048 sequences each (4096 in the first version).
    private static func sequenceSet(_ scanner: inout ByteScanner) throws -> DeletedSequences {
        guard try scanner.byte() == 22 else { throw ByteScanner.Stop.malformed }
        let version = try scanner.byte()
        guard version == 1 || version == 2 else { throw ByteScanner.Stop.malformed }
        let words = version == 1 ? 64 : 32
        let nodes = try scanner.half()
        _ = try scanner.half()
        guard Int(nodes) * (words * 8 + 10) <= maximumItem else { throw ByteScanner.Stop.malformed }
        guard scanner.remaining >= Int(nodes) * (words * 8 + 10) else { throw ByteScanner.Stop.needsMore }
        var set = DeletedSequences()
        for _ in 0..<nodes {
            let base = try scanner.word()
            guard base < UInt64(Int64.max) else { throw ByteScanner.Stop.malformed }
            for index in 0..<words {
                var bits = try scanner.word()
                while bits != 0 {
                    let sequence = base + UInt64(index * 64 + bits.trailingZeroBitCount)
                    try set.insert(sequence...sequence)
                    bits &= bits - 1
                }
            }
            _ = try scanner.take(2)
        }
        set.normalize()
        return set
    }
}
