import KVModel

/// Writes a snapshot of a stream in either form, as bytes that a server's restore request takes.
///
/// ```swift
/// var writer = try SnapshotWriter(description, form: .messageBlocks(.filled))
/// for entry in entries {
///     try writer.append(entry)
///     while let chunk = writer.nextChunk(128 << 10) { send(chunk) }
/// }
/// try writer.finish()
/// while let chunk = writer.nextChunk(128 << 10) { send(chunk) }
/// ```
///
/// It holds a block of messages and what was not taken yet. Who takes chunks after every entry keeps that small.
public struct SnapshotWriter: Sendable {
    /// The form to write.
    public enum Form: Sendable, Hashable {
        /// A tar of message blocks, which restores into file storage on every version from 2.9 on.
        ///
        /// A stream in memory would come back empty, without an error: it is refused.
        case messageBlocks(Gaps)
        /// The entries format: 2.15 only, any storage.
        case entries
    }

    /// What stands in message blocks for sequences without a message.
    public enum Gaps: Sendable, Hashable {
        /// A placeholder of 30 bytes for each, which servers up to 2.9 need, and all others take.
        case filled
        /// Nothing: for servers from 2.10 on.
        case left
    }

    /// What was written so far.
    public private(set) var totals = SnapshotTotals()
    /// How many bytes the snapshot has before its framing, so far.
    public var writtenBytes: UInt64 { framing.written }
    private let description: SnapshotDescription
    /// Nil in the entries format.
    private var blocks: BlockSnapshotWriter?
    private var framing = S2Writer()
    private var isFinished = false

    /// A writer; the first bytes are ready at once.
    public init(_ description: SnapshotDescription, form: Form) throws(StreamSnapshotError) {
        self.description = description
        guard let stream = description.configuration["name"]?.string, !stream.isEmpty else {
            throw StreamSnapshotError(.invalid, at: "configuration", "it names no stream")
        }
        guard description.lastSequence < MessageRecord.tombstone else {
            throw StreamSnapshotError(.invalid, at: "state", "sequence \(description.lastSequence) is out of bounds")
        }
        switch form {
        case .messageBlocks(let gaps):
            guard (description.configuration["storage"]?.string ?? "file") == "file" else {
                throw StreamSnapshotError(
                    .invalid,
                    at: "configuration",
                    "message blocks of a stream that is not in file storage would restore as an empty one"
                )
            }
            let blocks = BlockSnapshotWriter(stream: stream, gaps: gaps)
            try blocks.begin(description, &framing)
            self.blocks = blocks
        case .entries:
            try beginEntries()
        }
    }

    /// Writes a message; its sequence must be above the last one's and at most the description's last one.
    public mutating func append(_ entry: SnapshotEntry) throws(StreamSnapshotError) {
        guard entry.sequence > totals.lastMessage, entry.sequence <= description.lastSequence, !isFinished else {
            throw StreamSnapshotError(
                .invalid,
                at: "sequence \(entry.sequence)",
                "it does not lie between \(totals.lastMessage) and \(description.lastSequence)"
            )
        }
        guard (1...65_535).contains(entry.subject.count) else {
            throw StreamSnapshotError(
                .invalid,
                at: "sequence \(entry.sequence)",
                "a subject of \(entry.subject.count) bytes"
            )
        }
        if blocks == nil { appendEntry(entry) }
        try blocks?.append(entry, after: totals, &framing)
        totals.count(entry)
        totals.lastSequence = entry.sequence
    }

    /// Ends the snapshot; what is left is then there to be taken.
    public mutating func finish() throws(StreamSnapshotError) {
        guard !isFinished else { return }
        isFinished = true
        if blocks == nil {
            framing.write([0, 0, 0, 0, 0])
            framing.finish()
        }
        blocks?.finish(description, totals, &framing)
        totals.lastSequence = description.lastSequence
    }

    /// The next bytes of the snapshot, exactly `count` of them.
    ///
    /// Nil if there are not as many yet; once the snapshot is finished, the rest comes in a last shorter chunk.
    public mutating func nextChunk(_ count: Int) -> [UInt8]? {
        while framing.available < count, blocks?.fillMore(&framing) ?? false {}
        guard framing.available >= max(1, count) || isFinished && framing.available > 0 else { return nil }
        return framing.take(count)
    }

    private mutating func beginEntries() throws(StreamSnapshotError) {
        framing.write(EntriesSnapshotReader.magic)
        let last = description.lastSequence
        // The first sequence may be lower than the first message's, but the messages must have room behind it.
        let first = description.messages > 0 ? 1 : last + 1
        let state = SnapshotState(messages: description.messages, firstSequence: first, lastSequence: last)
        let json = try JSONText.encode(state.json)
        let name = Array("state.json".utf8)
        var entry: [UInt8] = []
        entry.append(varint: UInt64(name.count))
        entry.append(contentsOf: [0, 0, 0])
        entry.append(varint: UInt64(json.count))
        framing.write(entry + name + json)
    }

    private mutating func appendEntry(_ entry: SnapshotEntry) {
        var numbers: [UInt8] = []
        numbers.reserveCapacity(40)
        numbers.append(varint: UInt64(entry.subject.count))
        numbers.append(zigZag: entry.time.nanoseconds)
        numbers.append(varint: entry.sequence)
        numbers.append(varint: UInt64(entry.headers.count))
        numbers.append(varint: UInt64(entry.value.count))
        framing.write(numbers)
        framing.write(entry.subject)
        framing.write(entry.headers)
        framing.write(entry.value)
    }
}
