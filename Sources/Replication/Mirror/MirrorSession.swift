import JetStream
import KVModel
import KeyValue
import NATSClient

/// One run of a mirror between two buckets that stay the same: reads, writes, keeps the record.
///
/// All that happens comes through the inbox to the one task that owns the session; what may take time (reading, looking
/// up, keeping the record) is done by tasks beside it. So nothing waits for anything but room.
struct MirrorSession {
    /// Writes that may be unanswered: servers from 2.11 on refuse some when about 10,000 wait.
    private static let writesInFlight = 4096
    private static let bytesInFlight = 8 << 20
    private static let looksInFlight = 64
    /// What may be read and not written.
    private static let windowBytes = 24 << 20
    /// How long a write may go without an answer before its key is looked up.
    private static let answerPatience = Duration.seconds(4)
    private static let recordInterval = Duration.seconds(1)
    /// For how long to look for the end of a source that is written to all the time.
    private static let probePatience = Duration.seconds(20)

    let source: Bucket
    let target: Bucket
    let options: MirrorOptions
    let identity: ReplayIdentity
    let inbox = MirrorInbox(limit: windowBytes)
    var window: MirrorWindow<WatchBatch>
    private(set) var report: MirrorReport
    var state = MirrorProgress()
    /// Whether the target is as the run before left it, or newer.
    let isContinued: Bool
    private(set) var keeper: MirrorKeeper
    private let selection: MirrorSelection
    private let progress: @Sendable (MirrorProgress) -> Void
    private let publisher: NumberedPublisher
    private var encoder: MirrorEncoder
    var collisions: KeyMapping.CollisionSearch?
    private let clock = ContinuousClock()

    private struct Sent {
        let write: MirrorWindow<WatchBatch>.Write
        let bytes: Int
        let epoch: Int
        let time: ContinuousClock.Instant
    }
    private var sent: [UInt64: Sent] = [:]
    private var sentBytes = 0
    private var numbers: UInt64 = 0
    private var looks = 0
    private var epoch = 0
    private var pending: UInt64?
    private var lastRead: (revision: Revision, time: Timestamp)?
    private var readBefore: Revision = 0
    private var lastAcknowledged: UInt64
    private var foreign: Set<UInt64> = []
    private var trouble: (since: ContinuousClock.Instant, cause: any Error)?
    private var probing: (since: ContinuousClock.Instant, last: ContinuousClock.Instant)?
    private var nextRecord: ContinuousClock.Instant
    private var nextReport: ContinuousClock.Instant

    init(
        _ opening: MirrorOpening,
        options: MirrorOptions,
        report: MirrorReport,
        progress: @escaping @Sendable (MirrorProgress) -> Void
    ) async throws {
        source = opening.source
        target = opening.target
        self.options = options
        self.progress = progress
        self.report = report
        keeper = opening.keeper
        isContinued = opening.plan.isContinued
        let record = keeper.record
        identity = record.identity
        let history = target.configuration.history
        window = MirrorWindow(
            after: record.resumeRevision,
            history: history > 0 && !options.preservesRevisions ? Int(clamping: history) : nil
        )
        lastAcknowledged = record.targetSequence
        selection = MirrorSelection(
            targetIdentity: ReplayIdentity(
                cluster: target.clusterName,
                bucket: target.name,
                created: target.info.created
            ).number,
            deletes: options.deletes
        )
        encoder = MirrorEncoder(target, identity: identity, options: options)
        publisher = try await NumberedPublisher(target.context)
        nextRecord = clock.now
        nextReport = clock.now
        state.resumeRevision = record.resumeRevision
        state.foreignChanges = report.foreignChanges
        state.entries = report.written
        state.bytes = report.bytes
        state.interruptions = report.interruptions
    }

    // MARK: Running

    /// Mirrors until it has caught up, if that is all, or until cancelled; what it did is in `report` whatever happens.
    mutating func run() async throws -> MirrorReport.Outcome {
        let result = await withDiscardingTaskGroup { group -> Result<MirrorReport.Outcome, any Error> in
            let result: Result<MirrorReport.Outcome, any Error>
            do {
                try await self.look()
                self.begin(&group)
                result = .success(try await self.loop(&group))
            } catch {
                result = .failure(error)
            }
            await self.publisher.stop()
            group.cancelAll()
            return result
        }
        fillReport()
        do {
            let outcome = try result.get()
            try await keep()
            return outcome
        } catch is CancellationError {
            await keepWhenStopped()
            return .stopped
        } catch {
            guard !error.isOvertaken else { throw error }
            await keepWhenStopped()
            throw MirrorFailure.translated(error, source: source)
        }
    }

    /// What it did.
    func report(_ outcome: MirrorReport.Outcome) -> MirrorReport {
        var report = report
        report.outcome = outcome
        return report
    }

    private func begin(_ group: inout DiscardingTaskGroup) {
        let (source, target, options, inbox, publisher) = (source, target, options, inbox, publisher)
        let revision = window.lastRevision
        group.addTask { await MirrorReading.follow(source, after: revision, options, into: inbox) }
        group.addTask { await MirrorReading.answers(to: publisher, into: inbox) }
        group.addTask { await MirrorReading.ticks(into: inbox) }
        group.addTask {
            await MirrorReading.watchOver(source, into: inbox, { .source($0) }, gone: MirrorFailure.gone(source))
        }
        group.addTask {
            await MirrorReading.watchOver(
                target,
                into: inbox,
                { .target($0) },
                gone: MirrorFailure.targetChanged(target, "it was deleted")
            )
        }
    }

    private mutating func loop(_ group: inout DiscardingTaskGroup) async throws -> MirrorReport.Outcome {
        epoch = target.context.connection.epoch
        while true {
            for event in try await inbox.take() { try handle(event) }
            try await pump(&group)
            if isCaughtUp, try await arrive() { return .caughtUp }
            keepIfDue(&group)
            tell()
        }
    }

    /// Whether everything that the source is known to hold is in the target.
    private var isCaughtUp: Bool { pending == 0 && window.isEmpty }

    /// Does what is to be done when caught up; answers whether that is the end.
    private mutating func arrive() async throws -> Bool {
        if keeper.record.isResyncing {
            var sweep = MirrorSweep(target, identity: identity, options: options)
            try await sweep.run()
            report.removed += sweep.removed
            // What was removed is known no more as it was.
            window.heads = KnownHeads()
            window.presumesAbsent = false
            keeper.record.isResyncing = false
            try await keep()
        }
        if state.phase == .syncing {
            state.phase = .live
            nextReport = clock.now
            if window.heads.hasForgotten { window.presumesAbsent = false }
        }
        guard !options.follows else { return false }
        let now = clock.now
        if let probing, probing.last.duration(to: now) < .milliseconds(100) { return false }
        let since = probing?.since ?? now
        probing = (since, now)
        do {
            return try await isEnd() || since.duration(to: clock.now) > Self.probePatience
        } catch  where error.mayPass {
            return false
        }
    }

    /// Whether the source holds nothing that was not read.
    ///
    /// What is pending is an estimate: the source itself must say, after all was read, that there is no more.
    private func isEnd() async throws -> Bool {
        let stream = source.name.streamName
        let read = window.lastRevision
        guard try await source.context.streamInfo(stream).state.lastSequence > read else { return true }
        for pattern in options.filter.isEmpty ? [.all] : options.filter {
            let subject = source.subjectPrefix + pattern.description
            guard try await source.context.message(stream, from: read + 1, subject: subject) == nil else {
                return false
            }
        }
        return true
    }

    // MARK: What happens

    private mutating func handle(_ event: MirrorEvent) throws {
        switch event {
        case .batch(let batch, let restarts):
            report.interruptions += max(0, restarts - readerRestarts)
            readerRestarts = restarts
            try take(batch)
        case .began(let count): pending = count
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
            guard error.mayPass else { throw error }
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

    private var readerRestarts = 0

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
        if connection.isConnected { window.resume() }
        if let patience = options.patience, let trouble, trouble.since.duration(to: now) > patience {
            throw trouble.cause
        }
    }

    private mutating func note(_ error: any Error) {
        trouble = (trouble?.since ?? clock.now, error)
    }

    // MARK: Writing

    private mutating func pump(_ group: inout DiscardingTaskGroup) async throws {
        while looks < Self.looksInFlight, let look = window.nextLook() {
            looks += 1
            let (target, inbox) = (target, inbox)
            if options.preservesRevisions {
                group.addTask { await MirrorReading.lookAtEnd(look.key, of: target, into: inbox) }
            } else {
                let name = options.mapping.map(key(at: look.place))
                group.addTask {
                    await MirrorReading.look(look.key, name, at: look.sequence, in: target, into: inbox)
                }
            }
        }
        guard target.context.connection.isConnected else { return }
        var batch = publisher.makeBatch()
        var writes: [(UInt64, MirrorWindow<WatchBatch>.Write, Int)] = []
        while sent.count + writes.count < Self.writesInFlight, sentBytes + batch.byteCount < Self.bytesInFlight,
            let write = window.nextWrite()
        {
            guard let bytes = try encode(write, into: &batch) else { continue }
            writes.append((numbers, write, bytes))
            if batch.byteCount >= 1 << 17 {
                try await send(batch, writes)
                batch = publisher.makeBatch()
                writes.removeAll(keepingCapacity: true)
            }
        }
        try await send(batch, writes)
        inbox.release(window.release())
    }

    /// Encodes a write; answers how large the entry is, nil if it is left out.
    private mutating func encode(
        _ write: MirrorWindow<WatchBatch>.Write,
        into batch: inout NumberedPublisher.Batch
    ) throws -> Int? {
        guard !options.preservesRevisions || write.expected + 1 == write.item.revision else {
            throw MirrorFailure.revisionsDiffer(
                target,
                write.item.revision,
                "the target goes on at \(write.expected + 1)"
            )
        }
        numbers += 1
        var bytes = 0
        let outcome = window.batch(of: write.place).withEntry(at: write.item.index) { entry in
            bytes = entry.key.count + entry.headers.count + entry.value.count
            return encoder.append(
                entry,
                number: numbers,
                expecting: write.expected,
                copies: write.copies,
                to: &batch
            )
        }
        switch outcome {
        case .added:
            return bytes
        case .tooLarge:
            throw MirrorFailure.tooLarge(key(at: write.place), target)
        case .expired, nil:
            window.leaveOut(write)
            return nil
        }
    }

    private mutating func send(
        _ batch: NumberedPublisher.Batch,
        _ writes: [(UInt64, MirrorWindow<WatchBatch>.Write, Int)]
    ) async throws {
        guard !writes.isEmpty else { return }
        guard let epoch = try await publisher.send(batch) else {
            for (_, write, _) in writes { window.contested(write, later: true) }
            return
        }
        let now = clock.now
        for (number, write, bytes) in writes {
            sent[number] = Sent(write: write, bytes: bytes, epoch: epoch, time: now)
            sentBytes += bytes
        }
    }

    private func key(at place: MirrorWindow<WatchBatch>.Place) -> Key {
        window.batch(of: place).withEntry(at: window.item(place).index) { Key(bytes: Array($0.key)) } ?? Key("")
    }

    // MARK: The record

    private mutating func keepIfDue(_ group: inout DiscardingTaskGroup) {
        let now = clock.now
        guard now >= nextRecord, !keeper.isBusy else { return }
        nextRecord = now.advanced(by: Self.recordInterval)
        updateRecord()
        let (work, inbox) = (keeper.begin(), inbox)
        group.addTask { inbox.put(.recorded(await work())) }
    }

    private mutating func recorded(_ result: Result<MirrorRecords.Held, any Error>) throws {
        do {
            try keeper.end(result)
            state.resumeRevision = keeper.kept.resumeRevision
        } catch  where error.mayPass {
            note(error)
        }
    }

    private mutating func updateRecord() {
        keeper.record.resumeRevision = window.resumeRevision
        keeper.record.targetSequence = lastAcknowledged
        let isExact = window.isEmpty && lastRead?.revision == window.resumeRevision
        keeper.record.resumeTime = isExact ? lastRead?.time.nanoseconds ?? 0 : 0
    }

    /// Writes the record and waits for it.
    private mutating func keep() async throws {
        updateRecord()
        try await keeper.keep()
        fillReport()
    }

    /// Writes the record although the task is cancelled, if that does not take long; nothing is lost if it is not.
    private mutating func keepWhenStopped() async {
        updateRecord()
        await keeper.keepBriefly()
        fillReport()
    }

    private mutating func fillReport() {
        report.resumeRevision = keeper.kept.resumeRevision
        report.skipped += window.skipped - counted.skipped
        report.expired += window.expired - counted.expired
        report.superseded += window.superseded - counted.superseded
        counted = (window.skipped, window.expired, window.superseded)
    }

    private var counted: (skipped: UInt64, expired: UInt64, superseded: UInt64) = (0, 0, 0)

    // MARK: Telling

    private mutating func tell() {
        let now = clock.now
        guard now >= nextReport else { return }
        nextReport = now.advanced(by: .milliseconds(200))
        state.entries = report.written
        state.bytes = report.bytes
        state.interruptions = report.interruptions
        state.foreignChanges = report.foreignChanges
        state.lagEntries = (pending ?? 0) + UInt64(window.count)
        state.lagTime = .zero
        if let oldest = window.oldest {
            state.lagTime = .nanoseconds(max(0, Timestamp.wallClock().nanoseconds - oldest.time.nanoseconds))
        }
        progress(state)
    }
}
