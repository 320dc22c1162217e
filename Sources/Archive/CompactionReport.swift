/// What a compaction does or did.
public struct CompactionReport: Sendable, Equatable {
    /// Of one incarnation.
    public struct Bucket: Sendable, Equatable {
        /// The incarnation.
        public let incarnation: Incarnation
        /// Segments before.
        public internal(set) var segmentsBefore = 0
        /// Segments after.
        public internal(set) var segmentsAfter = 0
        /// Entries that no kept point holds and that go.
        public internal(set) var droppedEntries = 0
        /// Bytes of these, before packing.
        public internal(set) var droppedBytes = 0
    }

    /// Of each incarnation, in the archive's order.
    public internal(set) var buckets: [Bucket] = []
    /// Bytes of the file that hold nothing, before.
    public internal(set) var freeBytes = 0
    /// The file's size before.
    public internal(set) var sizeBefore = 0
    /// The file's size after; before, if nothing was done.
    public internal(set) var sizeAfter = 0
    /// Whether a reader that began earlier still needs what was dropped: once it has ended, the file shrinks when it is
    /// next written or compacted.
    public internal(set) var awaitsReaders = false

    /// Whether there is nothing to do.
    public var isEmpty: Bool {
        freeBytes == 0 && sizeAfter >= sizeBefore
            && buckets.allSatisfy { $0.segmentsBefore == $0.segmentsAfter && $0.droppedEntries == 0 }
    }
}

/// How far a compaction is.
public struct CompactionProgress: Sendable, Equatable {
    /// Segments taken up so far.
    public internal(set) var segments = 0
    /// Segments to be taken up.
    public internal(set) var ofSegments = 0
    /// Entries written.
    public internal(set) var entries = 0
    /// Raw bytes written.
    public internal(set) var bytes = 0
}
