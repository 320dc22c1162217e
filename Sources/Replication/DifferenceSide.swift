public import Archive
import JetStream
public import KVModel
public import KeyValue

/// One side of a comparison: an archived state, or a live bucket.
public enum DifferenceSide: Sendable {
    /// An archived state of `HistoryMode.latest`.
    case archived(BucketState)
    /// A live bucket; only these keys count, all if there are none.
    case live(Bucket, filter: [KeyPattern])

    /// The keys that this side knows about: of a bucket that was captured in part, the archive says nothing of others.
    public var known: [KeyPattern] {
        if case .archived(let state) = self { state.incarnation.filter } else { [] }
    }

    /// The values of all keys that are within each of these choices, without their bytes.
    public func values(within choices: [[KeyPattern]] = []) async throws -> ValueTable {
        func isWithin(_ entry: EntryView) -> Bool {
            choices.allSatisfy { patterns in patterns.contains { $0.matches(entry.key) } }
        }
        switch self {
        case .archived(let state):
            var table = ValueTable(capacity: state.keys)
            var cursor = state.makeCursor()
            while let run = try cursor.next() {
                try run.forEachEntry { if isWithin($0) { table.add($0) } }
            }
            return table
        case .live(let bucket, let filter):
            var table = ValueTable()
            var options = WatchOptions()
            options.start = .lastPerSubject
            if !filter.isEmpty { options.patterns = filter }
            // A key that changes while it is read comes again.
            try await bucket.readAll(options) { if isWithin($0) { table.add($0) } }
            return table
        }
    }

    /// The bytes of some values; what a live bucket does not hold any more is left out.
    ///
    /// The caller bounds their sum, which is held in memory.
    public func bytes(of values: [Key: ValueState]) async throws -> [Key: [UInt8]] {
        var found: [Key: [UInt8]] = [:]
        guard let first = values.values.map(\.revision).min() else { return [:] }
        switch self {
        case .archived(let state):
            let keys = Dictionary(values.map { ($1.revision, $0) }) { first, _ in first }
            var cursor = state.makeCursor(after: first - 1)
            while found.count < values.count, let run = try cursor.next() {
                try run.forEachEntry { entry in
                    if let key = keys[entry.revision] { found[key] = Array(entry.value) }
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
