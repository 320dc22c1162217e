import GRDB
public import KVModel

extension ArchiveWriter {
    /// Key and time of the last archived entry of an incarnation; nil before its first.
    ///
    /// Held against the same revision on the server, it tells whether that is still the same history.
    public func lastEntry(
        _ id: IncarnationID
    ) throws -> (revision: Revision, time: Timestamp, key: Key)? {
        try read { db in
            let incarnation = try db.incarnation(id)
            guard let row = try db.segments(of: incarnation, through: .max).last else { return nil }
            let segment = try db.columns(of: row, incarnation)
            return try row.naming(incarnation) {
                guard let index = segment.revisions.indices.last else { throw SegmentDamage("it is empty") }
                let key = segment.keys.withString(Int(segment.keyReferences[index])) { Key(bytes: Array($0)) }
                return (segment.revisions[index], Timestamp(nanoseconds: segment.times[index]), key)
            }
        }
    }
}
