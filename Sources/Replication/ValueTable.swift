import Crypto
import Foundation
public import KVModel

/// The value of a key on one side of a comparison, without its bytes.
public struct ValueState: Sendable, Hashable {
    /// The revision.
    public var revision: Revision
    /// When it was stored.
    public var time: Timestamp
    /// Its size in bytes.
    public var size: Int
    /// SHA-256, the first half.
    private let digest: Halves

    private struct Halves: Sendable, Hashable {
        let first: UInt64
        let second: UInt64
    }

    /// The value of an entry.
    public init(_ entry: EntryView) {
        revision = entry.revision
        time = entry.time
        size = entry.value.count
        var hash = SHA256()
        hash.update(bufferPointer: entry.value)
        digest = hash.finalize().withUnsafeBytes { bytes in
            Halves(
                first: bytes.loadUnaligned(as: UInt64.self),
                second: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            )
        }
    }

    /// Whether the values are the same, whatever their revisions.
    func isSameValue(as other: ValueState) -> Bool {
        size == other.size && digest == other.digest
    }
}

/// The values of a bucket's keys on one side of a comparison, by key, without their bytes: pure.
///
/// Memory grows with the number of keys, by some 64 bytes and the key for each, never with their values.
public struct ValueTable: Sendable {
    private struct Row {
        let key: Range<Int>
        /// Nil if the key was deleted.
        let state: ValueState?
    }

    /// The keys' bytes, end to end.
    private var bytes: [UInt8] = []
    private var rows: [Row] = []
    private var isSorted = true

    /// An empty table with room for so many keys.
    public init(capacity: Int = 0) {
        rows.reserveCapacity(capacity)
    }

    /// Takes an entry, which counts instead of earlier ones of its key.
    public mutating func add(_ entry: EntryView) {
        let start = bytes.count
        bytes.append(contentsOf: entry.key)
        rows.append(Row(key: start..<bytes.count, state: entry.operation == .put ? ValueState(entry) : nil))
        isSorted = false
    }

    /// How many keys have a value, once it is sorted.
    var count: Int { rows.count }

    /// A key, once it is sorted.
    func key(_ index: Int) -> Key { Key(bytes: Array(bytes[rows[index].key])) }

    /// The value of a key, once it is sorted.
    func state(_ index: Int) -> ValueState? { rows[index].state }

    /// Sorts the keys; of each the newest entry stays, if it is a put.
    mutating func sort() {
        guard !isSorted else { return }
        bytes.withUnsafeBytes { bytes in
            rows.sort { left, right in
                let order = Self.order(bytes, left.key, bytes, right.key)
                return order != 0 ? order < 0 : left.key.lowerBound < right.key.lowerBound
            }
            var kept = 0
            for index in rows.indices {
                let next = index + 1
                guard next == rows.count || Self.order(bytes, rows[index].key, bytes, rows[next].key) != 0,
                    rows[index].state != nil
                else { continue }
                rows[kept] = rows[index]
                kept += 1
            }
            rows.removeSubrange(kept...)
        }
        isSorted = true
    }

    /// Whether a key comes before (below 0), at or after (above 0) one of another table.
    func order(_ index: Int, _ other: ValueTable, _ otherIndex: Int) -> Int {
        bytes.withUnsafeBytes { left in
            other.bytes.withUnsafeBytes { right in
                Self.order(left, rows[index].key, right, other.rows[otherIndex].key)
            }
        }
    }

    private static func order(
        _ left: UnsafeRawBufferPointer,
        _ leftKey: Range<Int>,
        _ right: UnsafeRawBufferPointer,
        _ rightKey: Range<Int>
    ) -> Int {
        let shared = min(leftKey.count, rightKey.count)
        if shared > 0, let left = left.baseAddress, let right = right.baseAddress {
            let order = memcmp(left + leftKey.lowerBound, right + rightKey.lowerBound, shared)
            if order != 0 { return Int(order) }
        }
        return leftKey.count - rightKey.count
    }
}
