public import Archive
import Crypto
import JetStream
public import KVModel
public import KeyValue

/// The value of a key on one side of a comparison, without its bytes.
public struct ValueState: Sendable, Hashable {
    /// The revision.
    public var revision: Revision
    /// When it was stored.
    public var time: Timestamp
    /// Its size in bytes.
    public var size: Int
    /// SHA-256, the first half.
    let digest: [UInt64]

    init(_ entry: EntryView) {
        revision = entry.revision
        time = entry.time
        size = entry.value.count
        var hash = SHA256()
        hash.update(bufferPointer: entry.value)
        digest = hash.finalize().withUnsafeBytes { bytes in
            [bytes.loadUnaligned(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)]
        }
    }
}

/// How one key differs between two states.
public struct KeyDifference: Sendable, Hashable {
    /// The kind of difference.
    public enum Kind: String, Sendable, Hashable {
        /// Only the second has a value.
        case added
        /// Both have one, and they differ.
        case changed
        /// Only the first has a value.
        case removed
    }

    /// The key.
    public var key: Key
    /// Its value in the first; nil if there is none.
    public var old: ValueState?
    /// Its value in the second; nil if there is none.
    public var new: ValueState?

    /// The kind of difference.
    public var kind: Kind { old == nil ? .added : new == nil ? .removed : .changed }
}

/// What differs between two states of a bucket, or of two buckets, key by key: pure.
///
/// Memory grows with the number of keys, never with their values: of those a digest is held.
public struct BucketDifference: Sendable {
    /// The keys that differ, sorted.
    public let differences: [KeyDifference]
    /// Keys with the same value on both sides.
    public let equal: Int
    /// Of these, keys that have another revision: they were written again, or restored.
    public let rewritten: Int

    /// Compares the values of keys.
    public init(from old: [Key: ValueState], to new: [Key: ValueState]) {
        var differences: [KeyDifference] = []
        var (equal, rewritten) = (0, 0)
        for (key, left) in old {
            let right = new[key]
            if let right, right.size == left.size, right.digest == left.digest {
                equal += 1
                if right.revision != left.revision { rewritten += 1 }
            } else {
                differences.append(KeyDifference(key: key, old: left, new: right))
            }
        }
        for (key, right) in new where old[key] == nil {
            differences.append(KeyDifference(key: key, old: nil, new: right))
        }
        self.differences = differences.sorted { $0.key < $1.key }
        self.equal = equal
        self.rewritten = rewritten
    }
}

/// One side of a comparison: an archived state, or a live bucket.
public enum DifferenceSide: Sendable {
    /// An archived state of `HistoryMode.latest`.
    case archived(BucketState)
    /// A live bucket; only these keys count, all if there are none.
    case live(Bucket, filter: [KeyPattern])

    /// The values of all keys, without their bytes.
    public func values() async throws -> [Key: ValueState] {
        var found: [Key: ValueState] = [:]
        switch self {
        case .archived(let state):
            var cursor = state.makeCursor()
            while let run = try cursor.next() {
                try run.forEachEntry { found[Key(bytes: Array($0.key))] = ValueState($0) }
            }
        case .live(let bucket, let filter):
            var options = WatchOptions()
            options.start = .lastPerSubject
            if !filter.isEmpty { options.patterns = filter }
            try await bucket.watch(options).readToEnd { entry in
                // A key that changes while it is read comes again.
                found[Key(bytes: Array(entry.key))] = entry.operation == .put ? ValueState(entry) : nil
            }
        }
        return found
    }

    /// The bytes of some values; what a live bucket does not hold any more is left out.
    ///
    /// The caller bounds their sum, which is held in memory.
    public func bytes(of values: [Key: ValueState]) async throws -> [Key: [UInt8]] {
        var found: [Key: [UInt8]] = [:]
        guard let first = values.values.map(\.revision).min() else { return [:] }
        switch self {
        case .archived(let state):
            var cursor = state.makeCursor(after: first - 1)
            while found.count < values.count, let run = try cursor.next() {
                try run.forEachEntry { entry in
                    let key = Key(bytes: Array(entry.key))
                    if values[key]?.revision == entry.revision { found[key] = Array(entry.value) }
                }
            }
        case .live(let bucket, _):
            for (key, value) in values {
                if let entry = try await bucket.get(key, at: value.revision) { found[key] = entry.value }
            }
        }
        return found
    }
}
