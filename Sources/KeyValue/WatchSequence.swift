import KVModel

/// What a watch tells.
public enum WatchEvent: Sendable {
    /// An entry.
    case entry(KeyValueEntry)
    /// An entry that the bucket's codecs cannot decode: the error says its stored key and its revision.
    case undecodable(KeyValueError)
    /// Everything that was there when the watch began was shown; comes once, also if there was nothing.
    case endOfInitialData
}

/// The entries of a bucket's keys, as they are and as they change, in the order of revisions and each once.
///
/// ```swift
/// for try await event in bucket.watch([try KeyPattern("config.>")]) {
///     switch event {
///     case .entry(let entry): apply(entry)
///     case .endOfInitialData: ready()
///     case .undecodable(let error): log(error)
///     }
/// }
/// ```
///
/// A watch goes on by itself over lost connections, restarts of servers and changes of leaders. It ends with
/// an error where it cannot: if the bucket is deleted (and be it made again), or if nothing helped for as long as the
/// options' patience. It ends when the loop is left or its task is cancelled; nothing runs between two calls of
/// `next`. Reading and writing the same bucket inside the loop is fine, however slow: what comes meanwhile is kept up
/// to a capacity, and read again from the server beyond that.
///
/// Before the end of the initial data only the newest entry of a key may be shown if it changes meanwhile. Each
/// iteration is a watch of its own.
public struct WatchSequence: AsyncSequence, Sendable {
    /// Entries and the end of the initial ones.
    public typealias Element = WatchEvent

    private let bucket: KeyValueBucket
    private let patterns: [KeyPattern]
    private let options: KeyWatchOptions

    init(_ bucket: KeyValueBucket, _ patterns: [KeyPattern], _ options: KeyWatchOptions) {
        self.bucket = bucket
        self.patterns = patterns
        self.options = options
    }

    /// Begins a watch whose events are taken in batches, as they arrive: for those who show many of them.
    package func reader() -> WatchReader { WatchReader(bucket, patterns, options) }

    /// The entries alone; one that cannot be decoded is an error.
    public var entries: EntrySequence { EntrySequence(events: self) }

    /// Begins a watch with the first call of `next`.
    public func makeAsyncIterator() -> Iterator {
        Iterator(reader: reader())
    }

    /// One watch.
    public struct Iterator: AsyncIteratorProtocol {
        let reader: WatchReader
        private var events: ArraySlice<WatchEvent> = []

        init(reader: WatchReader) {
            self.reader = reader
        }

        /// The next event; never nil.
        public mutating func next(
            isolation actor: isolated (any Actor)? = #isolation
        ) async throws -> WatchEvent? {
            while events.isEmpty { events = try await reader.next()[...] }
            return events.removeFirst()
        }
    }
}

/// The entries of a watch, without what else it tells.
public struct EntrySequence: AsyncSequence, Sendable {
    /// Entries.
    public typealias Element = KeyValueEntry

    let events: WatchSequence

    /// Begins a watch with the first call of `next`.
    public func makeAsyncIterator() -> Iterator { Iterator(events: events.makeAsyncIterator()) }

    /// One watch.
    public struct Iterator: AsyncIteratorProtocol {
        var events: WatchSequence.Iterator

        /// The next entry; never nil.
        public mutating func next(
            isolation actor: isolated (any Actor)? = #isolation
        ) async throws -> KeyValueEntry? {
            while let event = try await events.next(isolation: actor) {
                switch event {
                case .entry(let entry): return entry
                case .undecodable(let error): throw error
                case .endOfInitialData: continue
                }
            }
            return nil
        }
    }
}
