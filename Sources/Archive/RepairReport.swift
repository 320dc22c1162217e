public import KVModel

/// What a repair could save, and what is lost.
public struct RepairReport: Sendable, Equatable {
    /// Records of one kind that damage took.
    public struct LostRecords: Sendable, Equatable {
        /// Which.
        public let kind: RecordKind
        /// How many.
        public let count: Int
    }

    /// Of one incarnation.
    public struct Bucket: Sendable, Equatable {
        /// The incarnation.
        public let incarnation: Incarnation
        /// Whether its names are lost: those that it has now were made up.
        public internal(set) var isNameLost = false
        /// Segments saved.
        public internal(set) var segments = 0
        /// Entries saved.
        public internal(set) var entries = 0
        /// The revisions that are lost, ascending; some of them may never have been archived.
        public internal(set) var lost: [ClosedRange<Revision>] = []
        /// The last revision saved, if what came after it, if anything did, is not known.
        public internal(set) var unknownAfter: Revision?
        /// What is missing of what was recorded beside the entries, as far as the checkpoint tells.
        public internal(set) var lostRecords: [LostRecords] = []
        /// The points whose states need nothing that is lost.
        public internal(set) var provedPoints: [ConsistentPoint] = []
        /// The points whose states are refused from now on.
        public internal(set) var refusedPoints: [ConsistentPoint] = []

        /// Whether nothing is lost.
        public var isWhole: Bool {
            !isNameLost && lost.isEmpty && unknownAfter == nil && lostRecords.isEmpty && refusedPoints.isEmpty
        }
    }

    /// Of each incarnation, by number.
    public internal(set) var buckets: [Bucket] = []

    /// Whether nothing is lost.
    public var isWhole: Bool { buckets.allSatisfy(\.isWhole) }
}
