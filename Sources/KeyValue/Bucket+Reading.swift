import JetStream
public import KVModel

extension Bucket {
    /// Whether the server shows `.lastPerSubject` as it says: each key's newest entry, in the order of revisions.
    ///
    /// Servers before 2.10 send them in any order, so that no revision tells the end: there `read` shows every entry,
    /// the newest of a key after its older ones.
    public var showsNewestOnly: Bool { context.serverIsAtLeast(2, 10) }

    /// Shows every entry that the bucket holds up to a revision, in order and in batches, without waiting for more.
    ///
    /// What a consumer has pending is an estimate: in a cluster it may sit where entries are still to come, and what was
    /// not read because of it would pass for missing. Reading ends where the server holds nothing more; if it holds what
    /// it does not send, `KeyValueError.stalled` is thrown after `patience`. See also `showsNewestOnly`.
    public func read(
        _ options: WatchOptions,
        through last: Revision,
        patience: Duration = .seconds(30),
        _ body: (WatchBatch) async throws -> Void
    ) async throws {
        try await read(options, through: last, extensions: 0, patience, body)
    }

    /// Shows every entry that the bucket holds, in order, without waiting for more.
    ///
    /// An entry that is superseded before it is sent is not shown, its successor is: what is written meanwhile is read
    /// as well, as long as that comes to an end soon. So a key may come more than once.
    public func readAll(_ options: WatchOptions = WatchOptions(), _ body: (EntryView) throws -> Void) async throws {
        let now = try await context.streamInfo(name.streamName)
        guard now.state.messages > 0 else { return }
        var options = options
        options.created = options.created ?? now.created
        try await read(options, through: now.state.lastSequence, extensions: Self.extensions, .seconds(30)) { batch in
            try batch.forEachEntry(body)
        }
    }

    /// Whether the bucket holds nothing of these patterns behind a revision, up to another one; without patterns,
    /// nothing at all.
    public func holdsNothing(
        of patterns: [KeyPattern],
        after revision: Revision,
        through last: Revision = .max
    ) async throws -> Bool {
        guard revision < last else { return true }
        for pattern in Self.separate(patterns) {
            if let next = try await next(of: pattern, after: revision), next <= last { return false }
        }
        return true
    }

    /// The revision of the first entry of these patterns behind a revision; without patterns, of any entry.
    func next(of patterns: [KeyPattern], after revision: Revision) async throws -> Revision? {
        var first: Revision?
        for pattern in Self.separate(patterns) {
            if let next = try await next(of: pattern, after: revision) { first = min(first ?? next, next) }
        }
        return first
    }

    /// From the first entry of these patterns behind a revision to the last of the bucket; nil if there is none.
    func rest(of patterns: [KeyPattern], after revision: Revision) async throws -> ClosedRange<Revision>? {
        guard let first = try await next(of: patterns, after: revision) else { return nil }
        let last = try await context.streamInfo(name.streamName).state.lastSequence
        return first...max(first, last)
    }

    private func next(of pattern: KeyPattern, after revision: Revision) async throws -> Revision? {
        guard revision < .max else { return nil }
        return try await context.message(
            name.streamName,
            from: revision + 1,
            subject: subjectPrefix + pattern.description
        )?.sequence
    }

    /// The least patterns that say the same; none stands for every key.
    private static func separate(_ patterns: [KeyPattern]) -> [KeyPattern] {
        let patterns = KeyPattern.canonical(patterns)
        return patterns.isEmpty ? [.all] : patterns
    }

    /// How often the end is put off by what has come while it was read.
    static let extensions = 5

    private func read(
        _ options: WatchOptions,
        through last: Revision,
        extensions: Int,
        _ patience: Duration,
        _ body: (WatchBatch) async throws -> Void
    ) async throws {
        var options = options
        if options.start == .lastPerSubject, !showsNewestOnly { options.start = .all }
        var patience = patience
        if let rate = options.bytesPerSecond {
            // For so long the server may hold back a large message.
            let largest = Double(min(context.maximumPayload, 64 << 20)) / Double(max(1, rate))
            patience += .seconds(min(largest, 3600))
        }
        let watch = try await watch(options)
        do {
            var end = InitialEnd(
                after: options.start.precedingSequence,
                through: last,
                pending: await watch.initiallyPending,
                extensions: extensions
            )
            try await read(watch, options, &end, patience, body)
        } catch {
            await watch.stop()
            throw error
        }
        await watch.stop()
    }

    private func read(
        _ watch: Watch,
        _ options: WatchOptions,
        _ end: inout InitialEnd,
        _ patience: Duration,
        _ body: (WatchBatch) async throws -> Void
    ) async throws {
        var waited = Duration.zero
        var unansweredSince: ContinuousClock.Instant?
        while !end.isReached {
            // What has arrived is read first: the answer comes behind it, and not at all while the reader is full.
            if end.isToAsk, await !watch.hasQueued {
                do {
                    end.learn(rest: try await rest(of: options.patterns, after: end.position))
                    unansweredSince = nil
                    guard !end.isReached else { return }
                } catch  where error.isTransient {
                    // A server that was just given much answers late; a cluster may be without a leader. While it is
                    // away it sends nothing either.
                    let since: ContinuousClock.Instant = unansweredSince ?? .now
                    if let limit = options.patience, since.duration(to: .now) > limit { throw error }
                    unansweredSince = since
                    waited = .zero
                }
            }
            // What was there a moment ago may expire before it is sent: then the end is nearer than it was.
            guard let batch = try await watch.next(timeout: .seconds(1)) else {
                // Only this waiting counts: to bring a consumer back may take long.
                waited += .seconds(1)
                guard waited <= patience else {
                    throw KeyValueError(code: .stalled, bucket: name, text: "\(end.position)")
                }
                end.pause()
                continue
            }
            try await body(batch)
            let more = await watch.hasQueued
            end.pass(batch.lastRevision, pending: batch.pending, moreIsQueued: more)
            waited = .zero
        }
    }
}
