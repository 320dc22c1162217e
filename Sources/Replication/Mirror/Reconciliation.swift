import JetStream
import KVModel
public import KeyValue
import NATSClient

/// Holds the two buckets of a mirror against each other, key by key, and repairs the target if it is told to.
///
/// Both may be written to meanwhile. The newest entries are read, first the source's, then the target's; what is newer
/// than the beginning is no difference. What seems to differ is asked for by its key once more, after a moment in which
/// a mirror that is at work can bring it. A repair takes effect only where the key's newest entry in the target is still
/// the one that was seen, so that it and a mirror that runs beside never undo each other's work. It names its original by
/// `Cistern-Origin`, not by `Nats-Msg-Id`, which the server may have seen before. What others wrote in the target is
/// reported; where the source has the key, the source wins.
public struct Reconciliation: Sendable {
    let source: Bucket
    let target: Bucket
    let options: ReconciliationOptions
    let progress: @Sendable (ReconciliationProgress) -> Void
    /// What the mirror's entries say that they are of.
    private(set) var sourceIdentity: ReplayIdentity
    let targetIdentity: ReplayIdentity

    /// A reconciliation of a mirror's buckets; `progress` is told of every batch.
    public init(
        source: Bucket,
        target: Bucket,
        options: ReconciliationOptions = ReconciliationOptions(),
        progress: @escaping @Sendable (ReconciliationProgress) -> Void = { _ in }
    ) {
        self.source = source
        self.target = target
        self.options = options
        self.progress = progress
        sourceIdentity = ReplayIdentity(cluster: source.clusterName, bucket: source.name, created: source.info.created)
        targetIdentity = ReplayIdentity(cluster: target.clusterName, bucket: target.name, created: target.info.created)
    }

    /// A part of the keys: those whose number leaves this remainder.
    private struct Part {
        var remainder: UInt
        var divisor: UInt

        func contains(_ number: Int) -> Bool { UInt(bitPattern: number) % divisor == remainder }

        var halves: [Part] {
            [
                Part(remainder: remainder, divisor: divisor * 2),
                Part(remainder: remainder + divisor, divisor: divisor * 2),
            ]
        }
    }

    /// Compares, and repairs what differs if the options say so.
    public func run() async throws -> ReconciliationReport {
        var work = self
        if let record = try await record() { work.sourceIdentity = record.identity }
        return try await work.reconcile()
    }

    private func reconcile() async throws -> ReconciliationReport {
        let clock = ContinuousClock()
        let begin = clock.now
        guard sourceIdentity != targetIdentity else {
            throw ReplicationError(
                .sameBucket,
                bucket: target.name.rawValue,
                text: "it is the source itself",
                hint: "name two buckets"
            )
        }
        let beginning = try await patiently { try await source.refreshed() }
        var report = ReconciliationReport(
            source: source.name,
            sourceCluster: source.clusterName,
            target: target.name,
            targetCluster: target.clusterName,
            revision: beginning.info.state.lastSequence
        )
        let rule = rule(beginning)
        var parts = [Part(remainder: 0, divisor: 1)]
        while let part = parts.popLast() {
            let started = clock.now
            let tally: ReconciliationTable.Tally
            do {
                tally = try await compare(part, rule)
            } catch is ReconciliationTable.Overflow where part.divisor < 1 << 30 {
                parts += part.halves
                continue
            }
            report.equal += tally.equal
            report.newer += tally.newer
            report.add(tally.examples, of: tally.additional)
            guard !tally.suspects.isEmpty else { continue }
            // From here on a mirror that is at work has had time to bring what was there at the beginning.
            try await Task.sleep(until: started + options.settleTime, clock: clock)
            try await check(tally.suspects, rule, &report)
        }
        report.duration = begin.duration(to: clock.now)
        return report
    }

    private func rule(_ beginning: Bucket) -> ReconciliationRule {
        var rule = ReconciliationRule(beginning: beginning.info.state.lastSequence)
        rule.deletes = options.deletes
        rule.preservesRevisions = options.preservesRevisions
        rule.source = .init(
            maximumAge: beginning.configuration.ttl,
            allowsOwn: beginning.configuration.allowsEntryTTL
        )
        rule.target = .init(maximumAge: target.configuration.ttl, allowsOwn: target.configuration.allowsEntryTTL)
        return rule
    }

    /// Reads both sides of a part of the keys.
    private func compare(_ part: Part, _ rule: ReconciliationRule) async throws -> ReconciliationTable.Tally {
        var table = ReconciliationTable(rule, capacity: options.keysAtOnce)
        var mapped: [UInt8] = []
        try await read(source, options.filter, .readingSource) { entry in
            mapped.removeAll(keepingCapacity: true)
            options.mapping.append(entry.key, to: &mapped)
            let number = mapped.withUnsafeBytes { ReconciliationTable.number($0) }
            guard part.contains(number) else { return }
            try table.takeSource(number, MirroredEntry(entry, of: targetIdentity))
        }
        try await read(target, options.mapping.image(of: options.filter), .readingTarget) { entry in
            let number = ReconciliationTable.number(entry.key)
            guard part.contains(number) else { return }
            try table.takeTarget(number, MirroredEntry(entry, of: sourceIdentity)) { Key(bytes: Array(entry.key)) }
        }
        return table.finish()
    }

    /// Shows the newest entry of every key, some older ones too.
    func read(
        _ bucket: Bucket,
        _ patterns: [KeyPattern],
        _ phase: ReconciliationProgress.Phase,
        _ body: (EntryView) throws -> Void
    ) async throws {
        let found = try await patiently { try await bucket.refreshed() }
        guard found.info.state.messages > 0 else { return }
        var watch = WatchOptions()
        watch.start = .lastPerSubject
        watch.patience = options.patience
        watch.bytesPerSecond = options.bytesPerSecond
        watch.created = bucket.info.created
        if !patterns.isEmpty { watch.patterns = patterns }
        var entries: UInt64 = 0
        try await bucket.read(watch, through: found.info.state.lastSequence) { batch in
            try Task.checkCancellation()
            try batch.forEachEntry(body)
            entries += UInt64(batch.count)
            let total = entries.addingClamped(batch.pending)
            progress(ReconciliationProgress(phase: phase, entries: entries, total: total))
        }
    }

    /// Does again for a while what fails because a server is away.
    func patiently<Value>(_ work: () async throws -> Value) async throws -> Value {
        let deadline = options.patience.map { ContinuousClock.now + $0 }
        var wait = Duration.milliseconds(50)
        while true {
            do {
                return try await work()
            } catch  where error.mayPass {
                if let deadline, ContinuousClock.now > deadline { throw error }
            }
            try await Task.sleep(for: wait)
            wait = min(wait * 2, .seconds(2))
        }
    }
}
