// StreamSnapshot reads and writes the two forms in which servers write a stream down: a tar of message blocks (2.9 to
// 2.14) and a list of entries (2.15), both inside S2's framing. Pure bytes: it opens no file and no connection. It
// knows messages, not buckets: subjects, header blocks and payloads are passed on byte for byte. Whatever bytes come,
// there is a `StreamSnapshotError` that names the place, never a trap, and never more memory than a few of the
// largest items. Start with `SnapshotReader` and `SnapshotWriter`; `BackupMetadata` is the small file that the `nats`
// command line puts beside a snapshot.

public import KVModel

/// Reads a snapshot of a stream, in either form, as its bytes come.
///
/// ```swift
/// var reader = SnapshotReader()
/// while let chunk = file.next() {
///     try reader.read(chunk) { entry in … }
/// }
/// let contents = try reader.finish()
/// ```
///
/// Only `finish` proves that the snapshot came whole, and says which of the entries the server had deleted.
public struct SnapshotReader {
    private enum Form {
        case unknown
        case blocks(BlockSnapshotReader)
        case entries(EntriesSnapshotReader)
    }

    private var framing = S2Reader(place: "S2 stream")
    private var form = Form.unknown
    private var start: [UInt8] = []
    private let excluded: DeletedSequences

    /// A reader that passes over the messages of these sequences: `SnapshotContents.deleted` of an earlier reading.
    public init(excluding excluded: DeletedSequences = DeletedSequences()) {
        self.excluded = excluded
    }

    /// The snapshot's form, as soon as its first bytes have come.
    public var format: SnapshotFormat? {
        switch form {
        case .unknown: nil
        case .blocks: .messageBlocks
        case .entries: .entries
        }
    }

    /// The stream's configuration, as soon as it has come; the entries format does not hold it.
    public var configuration: JSONValue? {
        if case .blocks(let reader) = form { reader.configuration } else { nil }
    }

    /// What was read so far.
    public var totals: SnapshotTotals {
        switch form {
        case .unknown: SnapshotTotals()
        case .blocks(let reader): reader.totals
        case .entries(let reader): reader.totals
        }
    }

    /// Takes more of the snapshot and calls `body` with each message that has come whole, in the order of sequences.
    public mutating func read(_ bytes: UnsafeRawBufferPointer, _ body: (SnapshotEntry) throws -> Void) throws {
        append(bytes)
        while try readBlock(body) {}
    }

    /// Takes more of the snapshot, for `readBlock`.
    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        framing.append(bytes)
    }

    /// Unpacks one more block, of at most 4 MiB, and calls `body` as `read` does; false if no block has come whole.
    ///
    /// For readers who must do something else now and then, however well the snapshot was packed.
    public mutating func readBlock(_ body: (SnapshotEntry) throws -> Void) throws -> Bool {
        guard try framing.next() else { return false }
        try framing.withBlock { try take($0, body) }
        return true
    }

    /// Takes more of the snapshot and calls `body` with each message that has come whole, in the order of sequences.
    public mutating func read(_ bytes: [UInt8], _ body: (SnapshotEntry) throws -> Void) throws {
        try bytes.withUnsafeBytes { try read($0, body) }
    }

    /// Checks that the snapshot came whole, and says what it held.
    public mutating func finish() throws -> SnapshotContents {
        try framing.finish()
        switch form {
        case .unknown:
            throw StreamSnapshotError(.truncated, at: "S2 stream", "it holds no snapshot")
        case .blocks(var reader):
            return try reader.finish()
        case .entries(let reader):
            return try reader.finish()
        }
    }

    private mutating func take(_ piece: UnsafeRawBufferPointer, _ body: (SnapshotEntry) throws -> Void) throws {
        switch form {
        case .unknown:
            start.append(contentsOf: piece)
            let magic = EntriesSnapshotReader.magic
            guard start.count >= magic.count else { return }
            let bytes = start
            start = []
            if bytes.starts(with: magic) {
                form = .entries(EntriesSnapshotReader())
                try bytes.withUnsafeBytes { try take(UnsafeRawBufferPointer(rebasing: $0[magic.count...]), body) }
            } else {
                form = .blocks(BlockSnapshotReader(excluding: excluded))
                try bytes.withUnsafeBytes { try take($0, body) }
            }
        case .blocks(var reader):
            form = .unknown
            defer { form = .blocks(reader) }
            try reader.take(piece, body)
        case .entries(var reader):
            form = .unknown
            defer { form = .entries(reader) }
            try reader.take(piece, body)
        }
    }
}
