public import KVModel

/// The keys of a bucket that have a value, as the server sends them: never all of them in memory.
public struct KeyStream: AsyncSequence, Sendable {
    /// Keys.
    public typealias Element = Key

    private let bucket: KeyValueBucket
    private let patterns: [KeyPattern]

    init(_ bucket: KeyValueBucket, _ patterns: [KeyPattern]) {
        self.bucket = bucket
        self.patterns = patterns
    }

    /// Begins to list with the first call of `next`.
    public func makeAsyncIterator() -> Iterator {
        let options = KeyWatchOptions(start: .newest, ignoresDeletes: true, withoutValues: true)
        return Iterator(events: bucket.watch(patterns, options: options).makeAsyncIterator())
    }

    /// One listing.
    public struct Iterator: AsyncIteratorProtocol {
        /// So many keys are remembered, lest one that changes while they are listed comes twice.
        private static let remembered = 100_000

        private var events: WatchSequence.Iterator?
        private var seen: Set<Key> = []

        init(events: WatchSequence.Iterator) {
            self.events = events
        }

        /// The next key; nil when all were listed. A key that the key codec cannot decode is an error.
        public mutating func next(isolation actor: isolated (any Actor)? = #isolation) async throws -> Key? {
            while let event = try await events?.next(isolation: actor) {
                switch event {
                case .entry(let entry):
                    guard !seen.contains(entry.key) else { continue }
                    if seen.count < Self.remembered { seen.insert(entry.key) }
                    return entry.key
                case .undecodable(let error): throw error
                case .endOfInitialData: events = nil
                }
            }
            return nil
        }
    }
}

extension KeyStream {
    /// All keys at once, in the order of their bytes: for buckets that are known to be small.
    public func all() async throws -> [Key] {
        var keys: Set<Key> = []
        for try await key in self { keys.insert(key) }
        return keys.sorted()
    }
}
