public import KVModel
public import Schedule

/// What a prune by a policy does or did.
public struct PruneReport: Sendable, Equatable {
    /// A point, and what becomes of it.
    public struct Point: Sendable, Equatable {
        /// The point.
        public let point: ConsistentPoint
        /// The names it has.
        public let tags: [String]
        /// Why it stays; empty if it goes.
        public let reasons: Set<RetentionPolicy.Reason>

        /// Whether it stays.
        public var isKept: Bool { !reasons.isEmpty }
    }

    /// Of one incarnation.
    public struct Bucket: Sendable, Equatable {
        /// The incarnation.
        public let incarnation: Incarnation
        /// Its points, by revision.
        public internal(set) var points: [Point] = []
        /// The names that go, because their revisions do.
        public internal(set) var droppedTags: [ArchiveTag] = []
        /// From here on every revision stays; before it, only the points that are kept.
        public internal(set) var exactFrom: Revision = 0
        /// Entries archived.
        public internal(set) var entries = 0
        /// Bytes of these, before packing.
        public internal(set) var bytes = 0
        /// Entries that go.
        public internal(set) var droppedEntries = 0
        /// Bytes of these, before packing.
        public internal(set) var droppedBytes = 0

        /// The points that go.
        public var droppedPoints: [Point] { points.filter { !$0.isKept } }
    }

    /// Of each incarnation, in the archive's order.
    public internal(set) var buckets: [Bucket] = []
    /// What giving the space back did; nil for a plan.
    public internal(set) var compaction: CompactionReport?

    /// Whether nothing goes.
    public var isEmpty: Bool {
        buckets.allSatisfy { $0.droppedPoints.isEmpty && $0.droppedEntries == 0 && $0.droppedTags.isEmpty }
    }
}
