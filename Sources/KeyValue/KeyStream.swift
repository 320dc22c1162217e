public import KVModel

/// The entries that the keys of a bucket have now, each key once, as the server sends them: never all in memory.
///
/// It ends with what was there when it began. A key that changes while it is read comes as it was or as it is.
public struct CurrentEntries: AsyncSequence, Sendable {
    /// Entries with a value.
    public typealias Element = KeyValueEntry

    private let events: WatchSequence

    init(_ events: WatchSequence) {
        self.events = events
    }

    /// Begins to read with the first call of `next`.
    public func makeAsyncIterator() -> Iterator {
        Iterator(events: events.makeAsyncIterator())
    }

    /// One reading.
    public struct Iterator: AsyncIteratorProtocol {
        /// So many keys are remembered, lest one that changes while they are read comes twice.
        private static let remembered = 100_000

        private var events: WatchSequence.Iterator?
        private var seen: Set<Key> = []

        init(events: WatchSequence.Iterator) {
            self.events = events
        }

        /// The next entry; nil after the last.
        ///
        /// An entry that the codecs cannot decode is an error.
        public mutating func next(
            isolation actor: isolated (any Actor)? = #isolation
        ) async throws -> KeyValueEntry? {
            while let event = try await events?.next(isolation: actor) {
                switch event {
                case .entry(let entry):
                    guard !seen.contains(entry.key) else { continue }
                    if seen.count < Self.remembered { seen.insert(entry.key) }
                    return entry
                case .undecodable(let error): throw error
                case .endOfInitialData: events = nil
                }
            }
            return nil
        }
    }
}

/// The keys of a bucket that have a value, as the server sends them: never all of them in memory.
public struct KeyStream: AsyncSequence, Sendable {
    /// Keys.
    public typealias Element = Key

    private let entries: CurrentEntries

    init(_ entries: CurrentEntries) {
        self.entries = entries
    }

    /// Begins to list with the first call of `next`.
    public func makeAsyncIterator() -> Iterator {
        Iterator(entries: entries.makeAsyncIterator())
    }

    /// One listing.
    public struct Iterator: AsyncIteratorProtocol {
        var entries: CurrentEntries.Iterator

        /// The next key; nil when all were listed.
        ///
        /// A key that the key codec cannot decode is an error.
        public mutating func next(isolation actor: isolated (any Actor)? = #isolation) async throws -> Key? {
            try await entries.next(isolation: actor)?.key
        }
    }

    /// All keys at once, in the order of their bytes: for buckets that are known to be small.
    public func all() async throws -> [Key] {
        var keys: Set<Key> = []
        for try await key in self { keys.insert(key) }
        return keys.sorted()
    }
}
