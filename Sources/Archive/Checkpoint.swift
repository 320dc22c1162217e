public import KVModel

/// How far the archive follows an incarnation.
public struct Checkpoint: Sendable, Equatable {
    /// What the source's stream said of itself.
    public struct SourceState: Sendable, Equatable {
        /// Messages in the stream.
        public var messages: UInt64
        /// Bytes in the stream.
        public var bytes: UInt64
        /// The first sequence.
        public var firstSequence: UInt64
        /// The last sequence.
        public var lastSequence: UInt64

        /// A state as seen.
        public init(messages: UInt64 = 0, bytes: UInt64 = 0, firstSequence: UInt64 = 0, lastSequence: UInt64 = 0) {
            self.messages = messages
            self.bytes = bytes
            self.firstSequence = firstSequence
            self.lastSequence = lastSequence
        }
    }

    /// The last revision safely in the archive; the next watch starts after it.
    public var resumeRevision: Revision
    /// The newest revision at which the archive holds the bucket exactly as it was.
    public var consistentRevision: Revision?
    /// When that was proved.
    public var consistentTime: Timestamp?
    /// The stream's state as last seen.
    public var sourceState: SourceState
    /// When the checkpoint was written.
    public var updated: Timestamp

    /// A checkpoint; without a consistent revision, a commit keeps the one that the archive knows.
    public init(
        resumeRevision: Revision,
        consistentRevision: Revision? = nil,
        consistentTime: Timestamp? = nil,
        sourceState: SourceState = SourceState(),
        updated: Timestamp
    ) {
        self.resumeRevision = resumeRevision
        self.consistentRevision = consistentRevision
        self.consistentTime = consistentTime
        self.sourceState = sourceState
        self.updated = updated
    }
}
