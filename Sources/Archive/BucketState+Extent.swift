import GRDB
import KVModel

extension BucketState {
    /// How large the state's entries are, and how many lie before a revision: found without unpacking any value.
    public struct Extent: Sendable, Hashable {
        /// Headers and value of the largest entry, in bytes: what a server holds against `max_msg_size`.
        public var largestMessage = 0
        /// Entries up to the revision asked about.
        public var entriesThrough = 0
    }

    /// Measures the entries, and counts those up to a revision.
    public func extent(through revision: UInt64 = 0) throws -> Extent {
        var extent = Extent()
        for kept in segments {
            let segment = try snapshot.columns(kept, of: incarnation)
            for index in 0..<segment.count where kept.contains(index) {
                let reference = Int(segment.headerReferences[index])
                let headers = reference == 0 ? 0 : segment.headers.withString(reference - 1) { $0.count }
                extent.largestMessage = max(extent.largestMessage, headers + Int(segment.valueLengths[index]))
                if segment.revisions[index] <= revision { extent.entriesThrough += 1 }
            }
        }
        return extent
    }
}
