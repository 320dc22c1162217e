import KVModel

/// Reads the tar of message blocks that servers from 2.9 to 2.14 make.
///
/// Blocks come in order, and records in them. What a server deleted is told later than the records themselves: by
/// tombstone records in later blocks, by the `.idx` beside a block (2.9), or by `index.db` at the end.
struct BlockSnapshotReader {
    private enum Member {
        case none
        case document(name: String, [UInt8])
        case block(MessageBlockReader)
        case index(BlockIndex)
    }

    private(set) var configuration: JSONValue?
    private(set) var created: String?
    private(set) var totals = SnapshotTotals()
    private let excluded: DeletedSequences
    private var tar = TarReader()
    private var member = Member.none
    private var lastBlockNumber: UInt64 = 0
    private var lastBlockHash: UInt64 = 0
    /// The first sequence in the last block, 0 if it has none.
    private var lastBlockFirst: UInt64 = 0
    private var legacyIndex: (block: UInt64, index: LegacyBlockIndex)?
    private var index: BlockIndex?
    private var tombstones = DeletedSequences()
    private var last: UInt64 = 0

    init(excluding excluded: DeletedSequences) {
        self.excluded = excluded
    }

    /// Takes more of the unpacked archive.
    mutating func take(_ piece: UnsafeRawBufferPointer, _ body: (SnapshotEntry) throws -> Void) throws {
        var rest = piece
        while true {
            switch try tar.next(&rest) {
            case .file(let name, let size): try begin(name, size)
            case .bytes(let bytes): try take(member: bytes, body)
            case .fileEnd: try endMember(body)
            case .archiveEnd: break
            case .needsMore: return
            }
        }
    }

    /// What the whole archive held, once it has come.
    mutating func finish() throws -> SnapshotContents {
        try tar.finish()
        guard configuration != nil else {
            throw StreamSnapshotError(.corrupt, at: "tar archive", "there is no meta.inf in it")
        }
        var deleted = tombstones
        if var index, index.isSound(), let block = index.lastBlock, block.number == lastBlockNumber,
            block.checksum == lastBlockHash
        {
            try deleted.formUnion(index.deleted)
            totals.lastSequence = max(totals.lastSequence, index.lastSequence)
        }
        deleted.normalize()
        return SnapshotContents(
            format: .messageBlocks,
            configuration: configuration,
            created: created,
            state: nil,
            totals: totals,
            deleted: deleted
        )
    }

    private var stream: String { configuration?["name"]?.string ?? "" }

    private mutating func begin(_ name: String, _ size: UInt64) throws {
        member = .none
        if name == "meta.inf" || name == "errors.txt" {
            guard size <= UInt64(JSONText.maximumBytes) else {
                throw StreamSnapshotError(.tooLarge, at: name, "it has \(size) bytes")
            }
            member = .document(name: name, [])
            return
        }
        guard name.hasPrefix("msgs/") else { return }
        guard configuration != nil else {
            throw StreamSnapshotError(.corrupt, at: name, "it comes before meta.inf")
        }
        if name == "msgs/index.db" {
            member = .index(BlockIndex(stream: stream))
        } else if let number = Self.number(name, ".blk") {
            guard number > lastBlockNumber else {
                throw StreamSnapshotError(.corrupt, at: name, "it comes after block \(lastBlockNumber)")
            }
            member = .block(MessageBlockReader(stream: stream, number: number))
            lastBlockFirst = 0
        } else if Self.number(name, ".idx") != nil, size <= UInt64(LegacyBlockIndex.maximumBytes) {
            member = .document(name: name, [])
        }
    }

    private static func number(_ name: String, _ suffix: String) -> UInt64? {
        guard name.hasSuffix(suffix) else { return nil }
        return UInt64(name.dropFirst(5).dropLast(suffix.count))
    }

    private mutating func take(member bytes: UnsafeRawBufferPointer, _ body: (SnapshotEntry) throws -> Void) throws {
        switch member {
        case .none:
            return
        case .document(let name, var content):
            member = .none
            content.append(contentsOf: bytes)
            member = .document(name: name, content)
        case .block(var block):
            member = .none
            defer { member = .block(block) }
            try block.take(bytes) { try take(record: $0, body) }
        case .index(var index):
            member = .none
            defer { member = .index(index) }
            try index.take(bytes)
        }
    }

    private mutating func endMember(_ body: (SnapshotEntry) throws -> Void) throws {
        let ended = member
        member = .none
        switch ended {
        case .none: return
        case .index(let index): self.index = index
        case .document(let name, let content): try takeDocument(name, content)
        case .block(var block):
            try block.finish { try take(record: $0, body) }
            (lastBlockNumber, lastBlockHash) = (block.number, block.lastHash)
            if let (number, index) = legacyIndex, number == block.number { try take(legacy: index) }
            legacyIndex = nil
        }
    }

    private mutating func takeDocument(_ name: String, _ content: [UInt8]) throws {
        if name == "errors.txt" {
            let text = String(decoding: content.prefix(500), as: UTF8.self)
            throw StreamSnapshotError(.serverFailed, at: name, "the server could not make the snapshot: \(text)")
        }
        if name == "meta.inf" {
            var json = try JSONText.decode(content, name)
            guard json["name"]?.string?.isEmpty == false else {
                throw StreamSnapshotError(.corrupt, at: name, "it names no stream")
            }
            created = json["Created"]?.string
            json["Created"] = nil
            configuration = json
        } else if let number = Self.number(name, ".idx") {
            let index = content.withUnsafeBytes { LegacyBlockIndex($0) }
            guard let index else { return }
            if number == lastBlockNumber { try take(legacy: index) } else { legacyIndex = (number, index) }
        }
    }

    /// Takes what a `.idx` says of the block that has just come, if it is that block's.
    private mutating func take(legacy index: LegacyBlockIndex) throws {
        // Erasing the last message changes its checksum in the block, but the index is as new as the block still.
        guard index.checksum == lastBlockHash || index.last == last else { return }
        totals.lastSequence = max(totals.lastSequence, index.last)
        if lastBlockFirst > 0, index.first > lastBlockFirst {
            try tombstones.insert(lastBlockFirst...index.first - 1)
        }
        for sequence in index.deleted.sorted() { try tombstones.insert(sequence...sequence) }
    }

    private mutating func take(record: MessageRecord.Parts, _ body: (SnapshotEntry) throws -> Void) throws {
        if record.sequence & MessageRecord.tombstone != 0 {
            let sequence = record.sequence & ~(MessageRecord.tombstone | MessageRecord.erased)
            totals.lastSequence = max(totals.lastSequence, sequence)
            try tombstones.insert(sequence...sequence)
            return
        }
        let sequence = record.sequence & ~MessageRecord.erased
        // Sequences only go up; a server passes over what does not, too.
        guard sequence > last else { return }
        last = sequence
        if lastBlockFirst == 0 { lastBlockFirst = sequence }
        totals.lastSequence = max(totals.lastSequence, sequence)
        guard record.sequence & MessageRecord.erased == 0, excluded.isEmpty || !excluded.contains(sequence) else {
            return
        }
        let entry = SnapshotEntry(
            sequence: sequence,
            time: Timestamp(nanoseconds: record.time),
            subject: record.subject,
            headers: record.headers,
            value: record.value
        )
        totals.count(entry)
        try body(entry)
    }
}
