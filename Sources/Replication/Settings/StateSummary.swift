public import KVModel

/// What of a bucket's entries matters to a configuration that they are to live under: how many, how large, and which
/// of them it would take away.
///
/// Filled with entries in the order of revisions; pure, the time is an argument. Memory grows with the number of keys
/// (a few words each), not with entries. An entry whose time is over counts as expired and for nothing else; apart from
/// that each limit is reckoned by itself.
public struct StateSummary: Sendable {
    /// An entry, or a key's entries, that something happens to.
    public struct Example: Sendable, Hashable {
        /// The key.
        public var key: Key
        /// The revision; where it is about several entries of the key, that of the key's newest.
        public var revision: Revision
        /// How many entries of the key.
        public var entries: UInt64 = 1
        /// The entry's size in bytes, headers and value; nil where it is about several.
        public var bytes: UInt64?
        /// When the entry of that revision was stored.
        public var time: Timestamp
    }

    /// Some of the entries.
    public struct Part: Sendable, Hashable {
        /// How many.
        public internal(set) var entries: UInt64 = 0
        /// Their size in bytes, headers and values; 0 where it is not reckoned.
        public internal(set) var bytes: UInt64 = 0
        /// The first of them.
        public internal(set) var examples: [Example] = []

        static let exampleLimit = 5

        mutating func add(_ entry: EntryView, _ valueSize: Int) {
            let size = UInt64(entry.headers.count + valueSize)
            entries += 1
            bytes += size
            guard examples.count < Self.exampleLimit else { return }
            let key = Key(bytes: Array(entry.key))
            examples.append(Example(key: key, revision: entry.revision, bytes: size, time: entry.time))
        }
    }

    /// All entries.
    public private(set) var entries: UInt64 = 0
    /// Bytes of keys, headers and values.
    public private(set) var bytes: UInt64 = 0
    /// What servers reckon that the entries take, those left out that have expired.
    public private(set) var storedBytes: UInt64 = 0
    /// Older entries of a key than the history holds; an example stands for all of its key.
    public private(set) var beyondHistory = Part()
    /// Entries larger than values may be.
    public private(set) var aboveValueSize = Part()
    /// Entries whose time is over.
    public private(set) var expired = Part()
    /// Entries with a TTL of their own that does not count any more.
    public private(set) var withoutOwnTTL = Part()
    /// The oldest entries, as many as would have to go for the others to fit.
    public private(set) var oldestBeyondSize = Part()
    /// The newest entries, those that have no room any more behind the others.
    public private(set) var newestBeyondSize = Part()

    private let now: Timestamp
    private let history: UInt32
    private let maximumAge: Int64
    private let allowsEntryTTL: Bool
    private let maximumValueSize: UInt64
    private let maximumBytes: UInt64
    private let messageOverhead: Int
    private let headerOverhead: Int
    private let prefixLength: Int
    private var keys: [Int: KeyCount] = [:]
    private var fitting = SizeWindow()

    private struct KeyCount {
        var entries: UInt32 = 0
        var example: Int?
    }

    /// A summary under this configuration as of this time, of no entries yet.
    public init(under configuration: BucketConfiguration, asOf now: Timestamp) {
        self.now = now
        history = configuration.history > 0 ? UInt32(clamping: configuration.history) : .max
        maximumAge = configuration.ttl
        allowsEntryTTL = configuration.allowsEntryTTL
        maximumValueSize = configuration.maximumValueSize < 0 ? .max : UInt64(configuration.maximumValueSize)
        maximumBytes = configuration.maximumBytes < 0 ? .max : UInt64(configuration.maximumBytes)
        // A record of the file store has lengths, sequence, time and checksum; memory has sequence and time.
        (messageOverhead, headerOverhead) = configuration.storage == "memory" ? (16, 0) : (30, 4)
        prefixLength = configuration.name?.subjectPrefix.utf8.count ?? 0
    }

    /// Takes the next entry; of its value only the size counts, which is given apart.
    public mutating func add(_ entry: EntryView, valueSize: Int) {
        entries += 1
        bytes += UInt64(entry.key.count + entry.headers.count + valueSize)
        let own = entry.headers.isEmpty ? nil : EntryLifetime(headers: entry.headers)
        let counted = allowsEntryTTL ? own : nil
        if let expiry = EntryLifetime.expiry(of: entry.time, own: counted, maximumAge: maximumAge), expiry <= now {
            return expired.add(entry, valueSize)
        }
        if own != nil, !allowsEntryTTL { withoutOwnTTL.add(entry, valueSize) }
        if UInt64(entry.headers.count + valueSize) > maximumValueSize { aboveValueSize.add(entry, valueSize) }
        if history != .max { countHistory(entry) }
        let headers = entry.headers.isEmpty ? 0 : entry.headers.count + headerOverhead
        let size = messageOverhead + prefixLength + entry.key.count + headers + valueSize
        storedBytes += UInt64(size)
        guard maximumBytes != .max else { return }
        if storedBytes > maximumBytes { newestBeyondSize.add(entry, valueSize) }
        fitting.add(size, entry, valueSize, limit: maximumBytes, into: &oldestBeyondSize)
    }

    /// An entry that drops out of a full history is the key's oldest, of which no more is known than that it is one.
    private mutating func countHistory(_ entry: EntryView) {
        var hasher = Hasher()
        hasher.combine(bytes: entry.key)
        let hash = hasher.finalize()
        var count = keys[hash] ?? KeyCount()
        defer { keys[hash] = count }
        guard count.entries == history else {
            count.entries += 1
            return
        }
        beyondHistory.entries += 1
        if let example = count.example {
            beyondHistory.examples[example].entries += 1
            beyondHistory.examples[example].revision = entry.revision
            beyondHistory.examples[example].time = entry.time
        } else if beyondHistory.examples.count < Part.exampleLimit {
            count.example = beyondHistory.examples.count
            let key = Key(bytes: Array(entry.key))
            beyondHistory.examples.append(Example(key: key, revision: entry.revision, bytes: nil, time: entry.time))
        }
    }
}

/// The newest entries that fit into a limit, by their sizes; what they drive out is handed on.
private struct SizeWindow {
    private var sizes: [UInt32] = []
    private var payloads: [UInt32] = []
    private var head = 0
    private var total: UInt64 = 0
    /// Outlines of the oldest entries, which are the first to be driven out.
    private var oldest: [StateSummary.Example] = []
    private var dropped = 0

    mutating func add(
        _ size: Int,
        _ entry: EntryView,
        _ valueSize: Int,
        limit: UInt64,
        into part: inout StateSummary.Part
    ) {
        if oldest.count < StateSummary.Part.exampleLimit {
            let bytes = UInt64(entry.headers.count + valueSize)
            let key = Key(bytes: Array(entry.key))
            oldest.append(StateSummary.Example(key: key, revision: entry.revision, bytes: bytes, time: entry.time))
        }
        sizes.append(UInt32(clamping: size))
        payloads.append(UInt32(clamping: entry.headers.count + valueSize))
        total += UInt64(size)
        while total > limit, head < sizes.count {
            total -= UInt64(sizes[head])
            part.entries += 1
            part.bytes += UInt64(payloads[head])
            if dropped < oldest.count { part.examples.append(oldest[dropped]) }
            dropped += 1
            head += 1
        }
        if head > 4096, head > sizes.count / 2 {
            sizes.removeFirst(head)
            payloads.removeFirst(head)
            head = 0
        }
    }
}
