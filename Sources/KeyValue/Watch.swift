public import JetStream
public import KVModel
import NATSProtocol

/// What to watch, and from where.
public struct WatchOptions: Sendable {
    /// The keys to watch.
    public var patterns: [KeyPattern] = [.all]
    /// Where to begin.
    public var start: OrderedConsumer.Start = .all
    /// Whether to leave out values.
    public var headersOnly = false
    /// How many bytes a second the server may send; nil for no limit.
    public var bytesPerSecond: UInt64?
    /// For how long to try to get a broken watch going again; nil for ever.
    public var patience: Duration? = .seconds(120)
    /// The creation time that the bucket must have; nil to take the one found.
    public var created: String?
    /// How often an idle server says that it is there.
    public var heartbeat: Duration = .seconds(2)
    /// How many bytes may wait to be read.
    public var capacity = 8 << 20
    /// Whether a full watch is given up, to be taken up again behind what was read; otherwise the whole connection
    /// stops reading until there is room.
    public var parks = false

    /// Every key, from the first entry on.
    public init() {}
}

/// Entries that a watch received together.
public struct WatchBatch: Sendable {
    let delivered: DeliveredBatch
    let prefixLength: Int
    let prefix: [UInt8]
    let filter: [KeyPattern]

    /// How many messages there are; some may be filtered out when shown.
    public var count: Int { delivered.deliveries.count }
    /// The revision of the last of them.
    public var lastRevision: Revision { delivered.deliveries.last?.metadata.streamSequence ?? 0 }
    /// Whether the server had nothing more after the last of them, by its estimate.
    public var isCaughtUp: Bool { delivered.isCaughtUp }
    /// How many entries are still to come, by the server's estimate.
    public var pending: UInt64 { delivered.deliveries.last?.metadata.pending ?? 0 }

    /// How many entries were to come after the one at a place of the batch, by the server's estimate.
    func pending(at index: Int) -> UInt64 { delivered.deliveries[index].metadata.pending }

    /// What the batch costs in memory.
    public var byteCount: Int { delivered.messages.byteCount }

    /// Shows every entry in turn, in place; messages that are no entries of the bucket are passed over.
    public func forEachEntry(_ body: (EntryView) throws -> Void) rethrows {
        for index in delivered.deliveries.indices {
            try withEntry(at: index, body)
        }
    }

    /// Shows the entry at a place of the batch, in place; nil if that message is no entry to be shown.
    @discardableResult
    public func withEntry<Result>(at index: Int, _ body: (EntryView) throws -> Result) rethrows -> Result? {
        let delivery = delivered.deliveries[index]
        return try delivered.messages.withView(at: delivery.index) { message in
            guard message.subject.count > prefixLength, message.subject.starts(with: prefix) else { return nil }
            let key = UnsafeRawBufferPointer(rebasing: message.subject[prefixLength...])
            guard filter.isEmpty || filter.contains(where: { $0.matches(key) }) else { return nil }
            return try body(
                EntryView(
                    revision: delivery.metadata.streamSequence,
                    time: Timestamp(nanoseconds: delivery.metadata.time),
                    operation: Operation(headers: message.headers),
                    key: key,
                    headers: message.headers,
                    value: message.payload
                )
            )
        }
    }
}

/// The entries of a bucket as they come, in the order of their revisions, each once.
///
/// Goes on by itself through lost connections and restarts of the server. Values arrive in batches; the server sends
/// on only when a batch was used, that is when `next` is called again.
public struct Watch: Sendable {
    /// The bucket.
    public let bucket: Bucket
    private let consumer: OrderedConsumer
    private let prefix: [UInt8]
    private let filter: [KeyPattern]

    init(_ bucket: Bucket, _ options: WatchOptions) async throws {
        self.bucket = bucket
        prefix = Array(bucket.subjectPrefix.utf8)
        var consumerOptions = OrderedConsumer.Options()
        consumerOptions.start = options.start
        consumerOptions.headersOnly = options.headersOnly
        consumerOptions.patience = options.patience
        consumerOptions.bytesPerSecond = options.bytesPerSecond
        consumerOptions.created = options.created
        consumerOptions.heartbeat = options.heartbeat
        consumerOptions.capacity = options.capacity
        consumerOptions.parks = options.parks
        let patterns = KeyPattern.canonical(options.patterns)
        let isEverything = patterns.isEmpty
        // Servers before 2.10 ignore a list of filters and send everything, later ones refuse filters that overlap.
        let takesList =
            bucket.context.serverVersion >= ServerVersion(major: 2, minor: 10, patch: 0)
            && KeyPattern.firstOverlap(in: patterns) == nil
        if isEverything {
            filter = []
            if options.start == .lastPerSubject { consumerOptions.filters = [bucket.subjectPrefix + ">"] }
        } else if patterns.count == 1 || takesList {
            filter = []
            consumerOptions.filters = patterns.map { bucket.subjectPrefix + $0.description }
        } else {
            filter = patterns
        }
        consumer = try await OrderedConsumer(
            bucket.context,
            stream: bucket.name.streamName,
            options: consumerOptions
        )
    }

    /// How many entries there were to come when the watch began, by the server's estimate.
    public var initiallyPending: UInt64 {
        get async { await consumer.initiallyPending }
    }

    /// The last revision of the bucket just before the watch began.
    public var initialLastRevision: Revision {
        get async { await consumer.initialLastSequence }
    }

    /// How often the watch had to be resumed after a gap, a lost connection or a restart.
    public var restarts: Int {
        get async { await consumer.restarts }
    }

    /// Whether entries have arrived that were not handed out yet.
    public var hasQueued: Bool {
        get async { await consumer.queuedBytes > 0 }
    }

    /// Waits for the next entries; answers nil if there are none within `timeout`.
    public func next(timeout: Duration = .seconds(3600)) async throws -> WatchBatch? {
        guard let delivered = try await consumer.next(timeout: timeout) else { return nil }
        return WatchBatch(delivered: delivered, prefixLength: prefix.count, prefix: prefix, filter: filter)
    }

    /// Stops watching.
    public func stop() async {
        await consumer.stop()
    }
}
