import JetStream
import KVModel
import KeyValue
import NATSClient

extension MirrorSession {
    /// Takes something that happened.
    mutating func handle(_ event: MirrorEvent) throws {
        switch event {
        case .batch(let batch, let restarts):
            report.interruptions += max(0, restarts - readerRestarts)
            readerRestarts = restarts
            try take(batch)
        case .began(let count):
            pending = count
            arrival.came(at: clock.now)
        case .answers(let answers): for (number, answer) in answers { try settle(number, answer) }
        case .found(let key, let message):
            looks -= 1
            trouble = nil
            found(key, message)
        case .end(let key, let last, let message):
            looks -= 1
            try foundEnd(key, last, message)
        case .notFound(let key, let error):
            looks -= 1
            // Whether the target is gone is found out by who watches over it.
            guard error.mayPass || (error as? JetStreamError)?.code == .streamNotFound else { throw error }
            note(error)
            window.notFound(key)
        case .source(let info): try look(at: info)
        case .target(let info):
            guard info.created == target.info.created else {
                throw MirrorFailure.targetChanged(target, "it was deleted and created again")
            }
        case .recorded(let result): try recorded(result)
        case .failed(let error): throw error
        case .tick: try tick()
        }
    }

    private mutating func take(_ batch: WatchBatch) throws {
        var items: [MirrorWindow<WatchBatch>.Item] = []
        items.reserveCapacity(batch.count)
        var name: [UInt8] = []
        var clash: Key?
        for index in 0..<batch.count {
            batch.withEntry(at: index) { entry in
                lastRead = (entry.revision, entry.time)
                guard selection.takes(entry) else {
                    report.filtered += 1
                    return
                }
                let isRollup =
                    !entry.headers.isEmpty && HeaderBlock.value(of: "Nats-Rollup", in: entry.headers) != nil
                let digest: KeyDigest
                if options.preservesRevisions {
                    // All in one lane: each follows the one before it, whatever their keys.
                    digest = KeyDigest(UnsafeRawBufferPointer(start: nil, count: 0))
                } else if options.mapping.isIdentity {
                    digest = KeyDigest(entry.key)
                } else {
                    name.removeAll(keepingCapacity: true)
                    options.mapping.append(entry.key, to: &name)
                    digest = name.withUnsafeBytes { KeyDigest($0) }
                    collisions?.add(entry.key)
                    if collisions?.mappedName != nil, clash == nil { clash = Key(bytes: Array(entry.key)) }
                }
                items.append(
                    .init(
                        index: index,
                        key: digest,
                        revision: entry.revision,
                        time: entry.time,
                        isRollup: isRollup && !options.preservesRevisions
                    )
                )
            }
        }
        if let clash { throw MirrorFailure.collision(clash, options.mapping, target) }
        inbox.release(window.add(batch, bytes: batch.byteCount, items, through: batch.lastRevision))
        pending = batch.pending
        arrival.came(at: clock.now)
    }

    private mutating func settle(_ number: UInt64, _ answer: NumberedPublisher.Answer) throws {
        guard let sent = unsend(number) else { return }
        let write = sent.write
        switch answer {
        case .stored(let sequence):
            guard !options.preservesRevisions || sequence == write.item.revision else {
                throw MirrorFailure.revisionsDiffer(target, write.item.revision, "it got \(sequence)")
            }
            trouble = nil
            nextWait = .milliseconds(50)
            lastAcknowledged = max(lastAcknowledged, sequence)
            report.written += 1
            report.bytes += UInt64(sent.bytes)
            window.stored(write, at: sequence)
        case .duplicate:
            window.contested(write, isCopy: true)
        case .refused(let error) where error.code == .wrongLastSequence:
            let digits = error.text.drop { !$0.isNumber }.prefix { $0.isNumber }
            window.contested(write, sequence: UInt64(digits))
        case .refused(let error) where error.isTransient:
            note(error)
            window.contested(write, later: true)
        case .refused(let error):
            throw MirrorFailure.refused(key(at: write.place), target, error)
        }
    }

    private mutating func unsend(_ number: UInt64) -> Sent? {
        guard let sent = sent.removeValue(forKey: number) else { return nil }
        sentBytes -= sent.bytes
        return sent
    }

    private mutating func found(_ key: KeyDigest, _ message: StoredMessage?) {
        guard let message else { return window.found(key, .absent) }
        var head = KnownHead(sequence: message.sequence, revision: 0)
        switch message.headers.withUnsafeBytes({ MirrorSighting(headers: $0, identity) }) {
        case .own(let revision): head.revision = revision
        case .marker: break
        case .foreign:
            if let place = window.waiting(key), isSame(message, at: place) {
                head.revision = window.item(place).revision
            } else {
                noteForeign(message.sequence)
            }
        }
        window.found(key, head)
    }

    /// Counts an entry that somebody else wrote, once.
    mutating func noteForeign(_ sequence: UInt64) {
        guard !keeper.record.isResyncing else { return }
        if foreign.count > 10_000 { foreign.removeAll() }
        guard foreign.insert(sequence).inserted else { return }
        report.foreignChanges += 1
    }

    /// Whether what has no name is an entry that leaves no room for one.
    private func isSame(_ message: StoredMessage, at place: MirrorWindow<WatchBatch>.Place) -> Bool {
        let room = MergeEncoder.limit(target) - message.headers.count - message.payload.count
        guard room < ReplayHeaders.largestAddition else { return false }
        return window.batch(of: place).withEntry(at: window.item(place).index) { entry in
            entry.value.elementsEqual(message.payload)
        } ?? false
    }

    private mutating func foundEnd(_ key: KeyDigest, _ last: UInt64, _ message: StoredMessage?) throws {
        if let message {
            let sighting = message.headers.withUnsafeBytes { MirrorSighting(headers: $0, identity) }
            guard sighting == .own(last) else {
                throw MirrorFailure.revisionsDiffer(target, last, "the target has another entry there")
            }
        }
        window.found(key, KnownHead(sequence: last, revision: last))
    }

    private mutating func look(at info: StreamInfo) throws {
        guard info.created == source.info.created else {
            throw MirrorPlan.recreated(source.name.rawValue, from: source.info.created, to: info.created)
        }
        // Asked for after all of this had been read.
        guard info.state.lastSequence >= readBefore else {
            throw JetStreamError(
                code: .streamRegressed,
                subject: source.name.streamName,
                text: "the last revision is \(info.state.lastSequence), revision \(readBefore) was read before"
            )
        }
        readBefore = window.lastRevision
    }

    private mutating func tick() throws {
        let connection = target.context.connection
        let current = connection.epoch
        if current != epoch {
            epoch = current
            report.interruptions += 1
        }
        let now = clock.now
        let lost = sent.filter { $0.value.epoch != current || $0.value.time.duration(to: now) > Self.answerPatience }
        for number in lost.keys.sorted() {
            guard let sent = unsend(number) else { continue }
            window.contested(sent.write, later: true)
        }
        if !lost.isEmpty || !connection.isConnected { note(MirrorFailure.unanswered(target)) }
        if connection.isConnected, now >= nextTry, window.resume() {
            nextTry = now.advanced(by: nextWait)
            nextWait = min(nextWait * 2, .seconds(1))
        }
        if let patience = options.patience, let trouble, trouble.since.duration(to: now) > patience {
            throw trouble.cause
        }
    }

    mutating func note(_ error: any Error) {
        trouble = (trouble?.since ?? clock.now, error)
    }
}
