import JetStream
import KVModel

/// Reads one watch, batch by batch.
package actor WatchReader {
    private let bucket: KeyValueBucket
    private let patterns: [KeyPattern]
    private let options: KeyWatchOptions
    private var watch: Watch?
    /// How far the initial entries are read; nil once that is over.
    private var initial: InitialEnd?
    /// The newest revision of each key up to a revision, where the server does not choose them.
    private var newest: (revisions: [Key: Revision], through: Revision)?

    init(_ bucket: KeyValueBucket, _ patterns: [KeyPattern], _ options: KeyWatchOptions) {
        self.bucket = bucket
        self.patterns = patterns
        self.options = options
    }

    /// Waits for what comes next; never empty.
    package func next() async throws -> [WatchEvent] {
        do {
            guard let watch else {
                let watch = try await begin()
                self.watch = watch
                guard initial == nil else { return try await next(of: watch) }
                return [.endOfInitialData]
            }
            return try await next(of: watch)
        } catch {
            throw bucket.keyValueError(error, about: nil)
        }
    }

    private var patience: Duration { options.patience ?? .seconds(1_000_000_000) }

    private func begin() async throws -> Watch {
        let stored = try bucket.stored(patterns)
        var wanted = WatchOptions()
        if !stored.isEmpty { wanted.patterns = stored }
        wanted.headersOnly = options.withoutValues
        wanted.patience = options.patience
        wanted.capacity = max(options.capacity, 256 << 10)
        wanted.parks = true
        switch options.start {
        case .newest: wanted.start = bucket.bucket.showsNewestOnly ? .lastPerSubject : .all
        case .history: wanted.start = .all
        case .updates: wanted.start = .new
        case .revision(let revision): wanted.start = .sequence(max(1, revision))
        }
        if options.start == .newest, !bucket.bucket.showsNewestOnly {
            newest = try await chooseNewest(wanted)
        }
        let watch = try await bucket.attempt(about: nil, repeats: true, for: patience) { _ in
            try await bucket.bucket.watch(wanted)
        }
        if options.start != .updates {
            initial = InitialEnd(
                after: wanted.start.precedingSequence,
                through: await watch.initialLastRevision,
                pending: await watch.initiallyPending,
                extensions: Bucket.extensions
            )
        }
        return watch
    }

    /// Servers before 2.10 show the newest of each key in no order: they are found first, and then picked out.
    private func chooseNewest(_ options: WatchOptions) async throws -> ([Key: Revision], Revision) {
        let state = try await bucket.context.streamInfo(bucket.name.streamName).state
        var revisions: [Key: Revision] = [:]
        guard state.messages > 0 else { return (revisions, state.lastSequence) }
        var options = options
        options.headersOnly = true
        try await bucket.bucket.read(options, through: state.lastSequence) { batch in
            batch.forEachEntry { revisions[Key(bytes: Array($0.key))] = $0.revision }
        }
        return (revisions, state.lastSequence)
    }

    private func next(of watch: Watch) async throws -> [WatchEvent] {
        while true {
            if let end = initial, end.isReached {
                initial = nil
                newest = nil
                return [.endOfInitialData]
            }
            // What has arrived is read first: the answer speaks of it as well.
            if let end = initial, end.isToAsk, await !watch.hasQueued {
                let rest = try await rest(after: end.position)
                initial?.learn(rest: rest)
                continue
            }
            guard let batch = try await watch.next(timeout: initial == nil ? .seconds(3600) : .seconds(1)) else {
                initial?.pause()
                continue
            }
            let more = await watch.hasQueued
            initial?.pass(batch.lastRevision, pending: batch.pending, moreIsQueued: more)
            let events = events(of: batch)
            if !events.isEmpty { return events }
        }
    }

    /// From the first entry of the watched keys behind a revision to the last of the bucket; nil if there is none.
    private func rest(after revision: Revision) async throws -> ClosedRange<Revision>? {
        let patterns = try bucket.stored(patterns)
        return try await bucket.attempt(about: nil, repeats: true, for: patience) { _ in
            try await bucket.bucket.rest(of: patterns, after: revision)
        }
    }

    private func events(of batch: WatchBatch) -> [WatchEvent] {
        var events: [WatchEvent] = []
        events.reserveCapacity(batch.count)
        for index in 0..<batch.count {
            let event = batch.withEntry(at: index) { view -> WatchEvent? in
                if options.ignoresDeletes, view.operation != .put { return nil }
                let entry = Entry(view)
                if let newest, entry.revision <= newest.through, newest.revisions[entry.key] != entry.revision {
                    return nil
                }
                do {
                    let delta = batch.pending(at: index)
                    return .entry(
                        try KeyValueEntry(entry, bucket: bucket.name, codecs: bucket.codecs, delta: delta)
                    )
                } catch let error as KeyValueError {
                    return .undecodable(error)
                } catch {
                    return .undecodable(
                        KeyValueError(
                            code: .undecodable,
                            bucket: bucket.name,
                            key: entry.key,
                            text: "\(error)",
                            revision: entry.revision,
                            underlying: error
                        )
                    )
                }
            }
            if let event = event ?? nil { events.append(event) }
        }
        return events
    }
}
