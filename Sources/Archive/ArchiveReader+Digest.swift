import Crypto
public import KVModel

/// What an archive proves of a bucket at a revision.
public struct StateDigest: Sendable, Equatable {
    /// SHA-256 over the entries that the bucket held, in hexadecimal.
    public let hex: String
    /// How many entries.
    public let entries: Int
    /// How many keys have a value.
    public let keys: Int
}

extension ArchiveReader {
    /// The digest of what the bucket held at a revision, for comparison with one computed elsewhere.
    ///
    /// SHA-256 over each entry in revision order: revision (8 bytes), time (8 bytes, signed nanoseconds since 1970),
    /// then key, header block and value, each after its length (4 bytes). All integers are big-endian.
    public func digest(of id: IncarnationID, at revision: Revision, asOf time: Timestamp? = nil) throws -> StateDigest {
        try digest(of: try state(of: id, at: revision, asOf: time))
    }

    /// The digest of a state.
    public func digest(of state: BucketState) throws -> StateDigest {
        var digest = EntryDigest()
        var cursor = state.makeCursor()
        while let run = try cursor.next() {
            try run.forEachEntry { digest.add($0) }
        }
        return StateDigest(hex: digest.finish(), entries: state.entries, keys: state.keys)
    }

    /// The digest of a state, from one that was fed every entry of the incarnation that the archive holds while they
    /// were written; nil if the state does not hold all of them.
    public func digest(of state: BucketState, fromAll all: consuming EntryDigest) -> StateDigest? {
        guard all.entries == state.entries else { return nil }
        return StateDigest(hex: all.finish(), entries: state.entries, keys: state.keys)
    }
}

/// The digest that proves a bucket's content, fed entry by entry in revision order.
///
/// `ArchiveReader.digest` uses it on an archive's entries; use it on a live bucket's entries to compare the two.
public struct EntryDigest: Sendable {
    private static let batch = 64 << 10
    /// How many entries were added.
    public private(set) var entries = 0
    private var hash = SHA256()
    private var buffer: [UInt8] = []

    /// A digest of no entries.
    public init() {
        buffer.reserveCapacity(Self.batch * 2)
    }

    /// Adds the next entry.
    public mutating func add(_ entry: EntryView) {
        entries += 1
        buffer.appendBigEndian(entry.revision)
        buffer.appendBigEndian(UInt64(bitPattern: entry.time.nanoseconds))
        add(entry.key)
        add(entry.headers)
        add(entry.value)
        if buffer.count >= Self.batch { flush() }
    }

    /// The digest in hexadecimal.
    public consuming func finish() -> String {
        flush()
        return hash.finalize().map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }

    private mutating func add(_ bytes: UnsafeRawBufferPointer) {
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: bytes.count).bigEndian) { buffer.append(contentsOf: $0) }
        guard bytes.count >= Self.batch else {
            buffer.append(contentsOf: bytes)
            return
        }
        flush()
        hash.update(bufferPointer: bytes)
    }

    private mutating func flush() {
        hash.update(data: buffer)
        buffer.removeAll(keepingCapacity: true)
    }
}
