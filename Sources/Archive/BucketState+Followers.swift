public import KVModel

extension BucketState {
    /// The archived entries that came after some revisions under the same keys and that the state does not hold.
    ///
    /// Asked of revisions that the bucket still has although the state does not: of the entries that drove them out,
    /// some had vanished by then, and may have gone by any rule since.
    public func followers(of revisions: [ClosedRange<Revision>]) throws -> [ClosedRange<Revision>] {
        guard let first = revisions.first?.lowerBound else { return [] }
        let rows = try snapshot.read { try $0.segments(of: incarnation, through: revision) }
        let held = Dictionary(uniqueKeysWithValues: segments.map { ($0.row.ordinal, $0) })
        var keys = ByteDictionary()
        var next = 0
        var found: [ClosedRange<Revision>] = []
        for row in rows where row.header.lastRevision >= first {
            let columns = try snapshot.columns(KeptSegment(row), of: incarnation)
            for index in 0..<columns.count where columns.revisions[index] <= revision {
                let entry = columns.revisions[index]
                while next < revisions.count, revisions[next].upperBound < entry { next += 1 }
                let isAsked = next < revisions.count && revisions[next].contains(entry)
                let isFollower = columns.keys.withString(Int(columns.keyReferences[index])) { key in
                    if isAsked { _ = keys.insert(key) }
                    return keys.find(key) != nil
                }
                guard isFollower, !isAsked, held[row.ordinal]?.contains(index) != true else { continue }
                if let last = found.last, last.upperBound + 1 == entry {
                    found[found.count - 1] = last.lowerBound...entry
                } else {
                    found.append(entry...entry)
                }
            }
        }
        return found
    }
}
