import Foundation
import GRDB
public import KVModel

/// The newest entry of a key at a point, without its value.
public struct KeyState: Sendable, Hashable {
    /// The key.
    public let key: Key
    /// The newest entry's revision.
    public let revision: Revision
    /// The newest entry's time.
    public let time: Timestamp
    /// What the newest entry did.
    public let operation: KVModel.Operation
    /// The newest entry's value, in bytes.
    public let valueSize: Int
}

extension ArchiveReader {
    /// Every archived entry of a key, oldest first, whatever the bucket had dropped of it.
    ///
    /// Segments whose key filter excludes the key are not unpacked, and of the others only the values asked for.
    public func history(of key: Key, in id: IncarnationID, through revision: Revision = .max) throws -> [Entry] {
        let snapshot = try snapshot()
        let (incarnation, rows) = try snapshot.read { db in
            let incarnation = try db.incarnation(id)
            return (incarnation, try db.segments(of: incarnation, through: revision))
        }
        var entries: [Entry] = []
        for row in rows {
            let mayContain = try snapshot.read { db in
                let filter = try db.keyFilter(of: row, incarnation)
                return try row.naming(incarnation) {
                    try filter.withUnsafeBytes { stored in
                        try key.bytes.withUnsafeBytes { try KeyFilter.mayContain($0, in: stored) }
                    }
                }
            }
            guard mayContain, let run = try snapshot.entries(of: key, in: row, incarnation, through: revision) else {
                continue
            }
            try run.forEachEntry { entries.append(Entry($0)) }
        }
        return entries
    }

    /// The newest entry of a key that the bucket held at a point; nil if it held none.
    public func latest(_ key: Key, in id: IncarnationID, at point: ArchivePoint = .newest) throws -> Entry? {
        let revision = try resolve(point, in: id)
        let state = try state(
            of: id,
            at: revision,
            asOf: nil,
            selection: .one(key),
            historyMode: .bucket,
            newestOnly: true
        )
        guard let last = state.segments.last else { return nil }
        var newest: Entry?
        try state.snapshot.run(last, of: state.incarnation, after: 0).forEachEntry { newest = Entry($0) }
        return newest
    }

    /// The keys that the bucket held at a revision, sorted, deleted ones included: their operation says so.
    public func keys(
        of id: IncarnationID,
        at revision: Revision,
        asOf time: Timestamp? = nil,
        filter: [KeyPattern] = []
    ) throws -> [KeyState] {
        let state = try state(
            of: id,
            at: revision,
            asOf: time,
            selection: KeySelection(filter),
            historyMode: .bucket,
            newestOnly: true
        )
        var keys = ByteDictionary(capacity: state.entries)
        var newest: [(revision: Revision, time: Int64, operation: KVModel.Operation, size: UInt32)] = []
        newest.reserveCapacity(state.entries)
        for kept in state.segments {
            let segment = try state.snapshot.columns(kept, of: state.incarnation)
            for index in 0..<segment.count where kept.contains(index) {
                segment.keys.withString(Int(segment.keyReferences[index])) { _ = keys.insert($0) }
                newest.append(
                    (
                        revision: segment.revisions[index], time: segment.times[index],
                        operation: segment.operations[index], size: segment.valueLengths[index]
                    )
                )
            }
        }
        return keys.bytes.withUnsafeBytes { bytes in
            keys.sortedOrder().map { index in
                let found = newest[Int(index)]
                return KeyState(
                    key: Key(bytes: Array(bytes.part(keys.range(Int(index))))),
                    revision: found.revision,
                    time: Timestamp(nanoseconds: found.time),
                    operation: found.operation,
                    valueSize: Int(found.size)
                )
            }
        }
    }
}

extension ArchiveSnapshot {
    /// The entries of a key in a segment, up to a revision; nil if there are none.
    fileprivate func entries(
        of key: Key,
        in row: SegmentRow,
        _ incarnation: Incarnation,
        through revision: Revision
    ) throws -> DecodedRun? {
        let segment = try read { try $0.columns(of: row, incarnation) }
        guard
            let wanted = (0..<segment.keys.count).first(where: { index in
                segment.keys.withString(index) { bytes in key.bytes.withUnsafeBytes { $0.isSame(as: bytes) } }
            })
        else { return nil }
        var kept = KeptSegment(row)
        for index in 0..<segment.count
        where segment.keyReferences[index] == UInt32(wanted) && segment.revisions[index] <= revision {
            kept.insert(index)
        }
        guard !kept.isEmpty else { return nil }
        return DecodedRun(
            kept,
            segment,
            values: try read { try $0.values(of: row, segment, incarnation, where: kept.contains) },
            of: incarnation,
            path: path,
            after: 0
        )
    }
}
