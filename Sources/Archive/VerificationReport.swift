public import KVModel

/// What a verification found.
public struct VerificationReport: Sendable {
    /// One thing that is wrong.
    public struct Problem: Sendable, Equatable, CustomStringConvertible {
        /// The incarnation, if the problem is one incarnation's.
        public let incarnation: Incarnation?
        /// The segment's ordinal, if it is one segment's.
        public let segment: Int?
        /// The revisions that the segment should hold.
        public let revisions: ClosedRange<Revision>?
        /// What is wrong.
        public let detail: String

        /// Where and what, in one line.
        public var description: String {
            var place: [String] = []
            if let incarnation { place.append("bucket \(incarnation.bucket) created \(incarnation.created)") }
            if let segment { place.append("segment \(segment)") }
            if let revisions { place.append("revisions \(revisions.lowerBound) to \(revisions.upperBound)") }
            return (place.isEmpty ? "" : place.joined(separator: ", ") + ": ") + detail
        }
    }

    /// How far a verification is.
    public struct Progress: Sendable, Equatable {
        /// Segments checked.
        public var segments: Int
        /// Segments there are.
        public var ofSegments: Int
        /// Entries checked.
        public var entries: Int
        /// Raw bytes checked.
        public var bytes: Int
    }

    /// All that is wrong; empty for a sound archive.
    public internal(set) var problems: [Problem] = []
    /// Incarnations checked.
    public internal(set) var incarnations = 0
    /// What was checked.
    public internal(set) var checked = Progress(segments: 0, ofSegments: 0, entries: 0, bytes: 0)
    /// Segments of which only the digests were checked: they are encrypted, and there was no key.
    public internal(set) var unopenedSegments = 0

    /// Whether nothing is wrong.
    public var isSound: Bool { problems.isEmpty }
}
