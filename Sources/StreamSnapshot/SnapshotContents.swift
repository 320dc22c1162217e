public import KVModel

/// The two forms in which servers write a stream down.
public enum SnapshotFormat: String, Sendable, Hashable, CaseIterable {
    /// A tar archive of the file store's message blocks: made by servers up to 2.14, taken by all from 2.9 on.
    case messageBlocks = "message blocks"
    /// One entry for each message: made by servers from 2.15 on, and taken by those only.
    case entries
}

/// What was counted while a snapshot was read or written.
public struct SnapshotTotals: Sendable, Hashable {
    /// Messages.
    public internal(set) var messages: UInt64 = 0
    /// Bytes of subjects, header blocks and payloads.
    public internal(set) var bytes: UInt64 = 0
    /// The first message's sequence; 0 if there is none.
    public internal(set) var firstMessage: UInt64 = 0
    /// The last message's sequence; 0 if there is none.
    public internal(set) var lastMessage: UInt64 = 0
    /// The stream's last sequence, whether or not it has a message.
    public internal(set) var lastSequence: UInt64 = 0
    /// The first message's time.
    public internal(set) var firstTime: Timestamp?
    /// The last message's time.
    public internal(set) var lastTime: Timestamp?

    /// Nothing counted yet.
    public init() {}

    @inline(__always)
    mutating func count(_ entry: SnapshotEntry) {
        if messages == 0 {
            firstMessage = entry.sequence
            firstTime = entry.time
        }
        messages += 1
        bytes += UInt64(entry.subject.count + entry.headers.count + entry.value.count)
        lastMessage = entry.sequence
        lastTime = entry.time
    }
}

/// What a whole snapshot said of itself.
public struct SnapshotContents: Sendable {
    /// Its form.
    public let format: SnapshotFormat
    /// The stream's configuration; the entries format does not hold it.
    public let configuration: JSONValue?
    /// When the stream was created; the entries format does not hold it.
    public let created: String?
    /// The stream's state when the snapshot began; message blocks do not hold it.
    public let state: SnapshotState?
    /// What was read.
    public let totals: SnapshotTotals
    /// Messages that were read but were deleted at the source.
    ///
    /// The server says so only at the end. To read what it really held, read again with these excluded.
    public let deleted: DeletedSequences
}
