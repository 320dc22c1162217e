import JetStream
import KVModel
import KeyValue

extension MirrorSession {
    /// How many entries must be to come for the whole target to be read first, and how many it may hold for that.
    private static let farBehind: UInt64 = 2000
    private static let largestScan: UInt64 = 4_000_000

    /// Learns what the target holds already, before anything is read or written.
    mutating func look() async throws {
        try await lookAtKeys()
        guard !options.preservesRevisions else { return }
        let held = target.info.state
        guard held.messages > 0 else {
            window.presumesAbsent = true
            return
        }
        if isContinued, held.lastSequence > keeper.record.targetSequence {
            // What a run before wrote after it kept its record for the last time, and what others wrote.
            try await lookAtTarget(.sequence(keeper.record.targetSequence + 1), countsForeign: true)
        }
        let behind = source.info.state.lastSequence - min(source.info.state.lastSequence, window.resumeRevision)
        guard behind > Self.farBehind, held.messages < Self.largestScan else { return }
        try await lookAtTarget(.lastPerSubject, countsForeign: false)
        window.presumesAbsent = !window.heads.hasForgotten
    }

    private mutating func lookAtTarget(_ start: OrderedConsumer.Start, countsForeign: Bool) async throws {
        var watch = WatchOptions()
        watch.start = start
        watch.headersOnly = true
        watch.patience = options.patience
        watch.created = target.info.created
        let space = options.mapping.image(of: options.filter)
        try await target.read(watch, through: target.info.state.lastSequence) { batch in
            batch.forEachEntry { entry in
                guard space.contains(where: { $0.matches(entry.key) }) else { return }
                let digest = KeyDigest(entry.key)
                // A key that changes while it is read comes again; what was noted of it since is newer still.
                guard window.heads[digest]?.sequence ?? 0 < entry.revision else { return }
                var head = KnownHead(sequence: entry.revision, revision: 0)
                switch MirrorSighting(headers: entry.headers, identity) {
                case .own(let revision): head.revision = revision
                case .marker: break
                case .foreign:
                    // One that is too large to be named may be the source's own: it is looked at when it matters.
                    let size =
                        HeaderBlock.value(of: "Nats-Msg-Size", in: entry.headers)
                        .flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0
                    guard size < MergeEncoder.limit(target) - 2 * ReplayHeaders.largestAddition else {
                        window.heads[digest] = nil
                        return
                    }
                    if countsForeign { noteForeign(entry.revision) }
                }
                window.heads[digest] = head
            }
        }
    }

    /// Finds out whether the mapping gives two of the source's keys one name.
    private mutating func lookAtKeys() async throws {
        guard !options.mapping.isIdentity else { return }
        var watch = WatchOptions()
        if !options.filter.isEmpty { watch.patterns = options.filter }
        watch.start = .lastPerSubject
        watch.headersOnly = true
        watch.patience = options.patience
        watch.created = source.info.created
        var search = KeyMapping.CollisionSearch(options.mapping)
        var clash: Key?
        try await source.read(watch, through: source.info.state.lastSequence) { batch in
            batch.forEachEntry { entry in
                search.add(entry.key)
                if search.mappedName != nil, clash == nil { clash = Key(bytes: Array(entry.key)) }
            }
        }
        if let clash { throw MirrorFailure.collision(clash, options.mapping, target) }
        collisions = search
    }
}
