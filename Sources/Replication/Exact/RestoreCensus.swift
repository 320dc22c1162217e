import Archive
public import KVModel

/// What of a state decides how it can be written into a target, counted without unpacking any value.
public struct RestoreCensus: Sendable, Hashable {
    /// Entries that the target would hold.
    public var entries: UInt64 = 0
    /// Entries whose time is over.
    public var expired: UInt64 = 0
    /// Entries that the target's history setting leaves no place for.
    public var beyondHistory: UInt64 = 0
    /// The first of the entries; 0 if there is none.
    public var first: Revision = 0
    /// The last of the entries; 0 if there is none.
    public var last: Revision = 0
    /// The revision that the target ends at.
    public var end: Revision = 0
    /// Headers and value of the largest entry, in bytes: what a server holds against `max_msg_size`.
    public var largestMessage = 0
    /// The largest entry as servers hold it against the size of a block's record.
    public var largestRecord = 0
    /// What the entries take in a server's file storage.
    public var storedBytes: UInt64 = 0
    /// A key that no server stores when it is published.
    public var unstorableKey: Key?
    /// The first entry whose `Nats-TTL` is none that a server takes.
    public var malformedTTL: Revision?
    /// Entries whose `Nats-TTL` is over although nobody heeds it.
    public var unheededTTL: UInt64 = 0

    /// Nothing counted.
    public init() {}

    /// Revisions from the first entry on that have none.
    public var gaps: UInt64 { first == 0 ? 0 : end - first + 1 - entries }

    /// What the entries take in a server's storage.
    func storedBytes(in storage: String) -> UInt64 {
        // In memory a message costs 16 bytes beside its own, in a file 30, and 4 more for headers.
        storage == "file" ? storedBytes : storedBytes - entries * 14
    }

    /// Counts what a selection takes of a state.
    init(_ state: BucketState, _ selection: ExactSelection, target: TargetSubject, end: Revision) throws {
        self.end = end
        var selection = selection
        var target = target
        try state.forEachOutline { entry, valueLength in
            switch selection.judge(entry) {
            case .taken: count(entry, valueLength, target.withSubject(of: entry.key) { $0.count }, selection)
            case .expired: expired += 1
            case .beyondHistory: beyondHistory += 1
            }
        }
    }

    private mutating func count(
        _ entry: EntryView,
        _ valueLength: Int,
        _ subjectLength: Int,
        _ selection: ExactSelection
    ) {
        if first == 0 { first = entry.revision }
        last = entry.revision
        entries += 1
        let message = entry.headers.count + valueLength
        // 22 bytes before the subject, a hash of 8 behind the payload; headers have their length before them.
        let record = 30 + subjectLength + message + (entry.headers.isEmpty ? 0 : 4)
        largestMessage = max(largestMessage, message)
        largestRecord = max(largestRecord, record)
        storedBytes += UInt64(record)
        if unstorableKey == nil, !Key.isStorable(entry.key) { unstorableKey = Key(bytes: Array(entry.key)) }
        guard !entry.headers.isEmpty, HeaderBlock.value(of: "Nats-TTL", in: entry.headers) != nil else { return }
        guard let own = EntryLifetime(headers: entry.headers) else {
            malformedTTL = malformedTTL ?? entry.revision
            return
        }
        if let expiry = EntryLifetime.expiry(of: entry.time, own: own, maximumAge: 0), expiry <= selection.now {
            unheededTTL += 1
        }
    }
}
