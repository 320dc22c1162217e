import Archive
import JetStream
import KVModel
import KeyValue
import NATSClient

/// Brings the newest archived entry of each key into a bucket that is in use.
///
/// What the bucket holds is read, each key is judged (`MergeRule`), and what is to be written is published on the
/// condition that the key's newest entry is still the one that was read. So nothing that anybody writes meanwhile is
/// lost; what was refused for that, or has no answer, is looked at again. Nothing tells the bucket that it is merged
/// into: whoever is stopped merges again, and finds what was done the same on both sides.
struct MergeWriter {
    private(set) var report = MergeReport()
    /// How often looking again had to wait for the server.
    private(set) var interruptions = 0
    private let bucket: Bucket
    private let prepared: Restore.Prepared
    private let options: RestoreOptions
    private let progress: @Sendable (RestoreProgress) -> Void
    private let archived: ReplayIdentity
    private let live: ReplayIdentity
    private let rule: MergeRule
    private let clock = ContinuousClock()
    /// The newest revision of each key in the archive that is not settled yet, by the name that the key has in the bucket.
    private var open: [Key: Revision]
    /// The bucket's newest entries of these keys.
    private var seen: [Key: MergeEntry] = [:]
    /// Keys whose publish had no answer.
    private var unanswered: Set<Key> = []
    private var throttle: Throttle?

    /// So few keys are asked for one by one.
    private static let fewKeys = 500

    /// Finds out what there is to merge; nothing is read from the bucket yet.
    init(
        _ bucket: Bucket,
        _ prepared: Restore.Prepared,
        options: RestoreOptions,
        progress: @escaping @Sendable (RestoreProgress) -> Void
    ) throws {
        self.bucket = bucket
        self.prepared = prepared
        self.options = options
        self.progress = progress
        archived = ReplayIdentity(prepared.incarnation)
        live = ReplayIdentity(cluster: bucket.clusterName, bucket: bucket.name, created: bucket.info.created)
        rule = MergeRule(overwrites: options.overwrites, beginning: bucket.info.state.lastSequence)
        throttle = Throttle(bytesPerSecond: options.bytesPerSecond)
        var newest: [Key: Revision] = [:]
        let mapping = options.mapping
        try prepared.state.forEachOutline { entry, _ in
            newest[mapping.map(Key(bytes: Array(entry.key)))] = entry.revision
        }
        open = newest
        report.keys = UInt64(newest.count)
    }

    /// Says what a merge would do, and does nothing.
    mutating func preview() async throws -> MergeReport {
        try await look()
        let encoder = MergeEncoder(bucket, isTTLHeeded: try prepared.state.heedsEntryTTL)
        try await forEachOpen { merge, entry, key, source in
            guard let write = merge.judge(entry, key, source, encoder) else { return }
            merge.count(write)
        }
        return report
    }

    /// Merges.
    mutating func run() async throws -> MergeReport {
        try refuseWhatCannotBeSent()
        var quietSince = clock.now
        var wait = Duration.milliseconds(50)
        while !open.isEmpty {
            let before = open.count
            do {
                try await bucket.context.connection.waitUntilConnected(timeout: options.patience ?? .seconds(3600))
                try await look()
                try await write()
                if open.count < before {
                    (quietSince, wait) = (clock.now, .milliseconds(50))
                    continue
                }
                throw refusal("others came before at every key", "try again when there are fewer writes")
            } catch  where error.mayPass || (error as? ReplicationError)?.code == .targetBusy {
                if error.mayPass { interruptions += 1 }
                if open.count < before { quietSince = clock.now }
                if let patience = options.patience, quietSince.duration(to: clock.now) > patience { throw error }
                try await Task.sleep(for: wait)
                wait = min(wait * 2, .seconds(2))
            }
        }
        return report
    }

    /// Reads the bucket again and holds it against the archive.
    ///
    /// What somebody wrote since the merge began is not the merge's to judge.
    mutating func verify() async throws -> ComparisonReport {
        var result = ComparisonReport(revision: prepared.revision)
        result.comparesRevisions = false
        open = [:]
        let mapping = options.mapping
        try prepared.state.forEachOutline { entry, _ in
            open[mapping.map(Key(bytes: Array(entry.key)))] = entry.revision
        }
        try await look()
        let encoder = MergeEncoder(bucket, isTTLHeeded: try prepared.state.heedsEntryTTL)
        try await forEachOpen { merge, entry, key, source in
            switch merge.rule.finding(source: source, target: merge.seen[key]) {
            case .equal: result.equal += 1
            case .newer: result.newer += 1
            case .missing where encoder.isExpired(entry): result.expired += 1
            case .changed where encoder.isExpired(entry): result.expired += 1
            case .missing: result.add(.missing, key, entry.revision)
            case .changed: result.add(.changed, key, entry.revision, ["value"])
            }
            merge.report(.verifying, result.equal + result.newer)
        }
        return result
    }

    // MARK: Reading

    /// Reads the bucket's newest entries of the open keys.
    private mutating func look() async throws {
        try Task.checkCancellation()
        let current = try await bucket.refreshed()
        guard current.info.created == bucket.info.created else {
            throw ReplicationError(
                .targetChanged,
                bucket: bucket.name.rawValue,
                text: "it was deleted and created again while it was merged into",
                hint: "run it again"
            )
        }
        seen.removeAll(keepingCapacity: true)
        let isText =
            open.count <= Self.fewKeys && open.keys.allSatisfy { String(validating: $0.bytes, as: UTF8.self) != nil }
        if isText {
            for key in open.keys where key.isStorable {
                guard let entry = try await bucket.latest(key) else { continue }
                seen[key] = entry.withView { MergeEntry($0, in: live) }
            }
            return
        }
        var watch = WatchOptions()
        watch.start = .lastPerSubject
        watch.patience = options.patience
        watch.created = bucket.info.created
        if options.mapping.isIdentity, !options.filter.isEmpty { watch.patterns = options.filter }
        var found: [Key: MergeEntry] = [:]
        let (wanted, identity) = (open, live)
        try await bucket.readAll(watch) { entry in
            let key = Key(bytes: Array(entry.key))
            // A key that changes while it is read comes again, and on old servers its older entries come first.
            guard wanted[key] != nil else { return }
            found[key] = MergeEntry(entry, in: identity)
        }
        seen = found
    }

    /// Shows the newest archived entry of each open key.
    private mutating func forEachOpen(
        _ body: (inout MergeWriter, EntryView, Key, MergeEntry) throws -> Void
    ) async throws {
        guard let first = open.values.min() else { return }
        var cursor = prepared.state.makeCursor(after: first - 1)
        while let run = try cursor.next() {
            try Task.checkCancellation()
            try run.forEachEntry { entry in
                let key = options.mapping.map(Key(bytes: Array(entry.key)))
                guard open[key] == entry.revision else { return }
                try body(&self, entry, key, MergeEntry(entry, in: archived))
            }
        }
    }

    // MARK: Writing

    /// A write that was decided upon.
    private struct Write {
        var key: Key
        var source: MergeEntry
        var expected: Revision
        var overwrites = false
    }

    /// Judges a key; answers what is to be written, nil if it is settled.
    private mutating func judge(
        _ entry: EntryView,
        _ key: Key,
        _ source: MergeEntry,
        _ encoder: MergeEncoder
    ) -> Write? {
        let target = seen[key]
        switch rule.verdict(source: source, target: target) {
        case .nothing where unanswered.contains(key):
            count(Write(key: key, source: source, expected: 0))
        case .nothing:
            report.equal += 1
        case .keep:
            report.kept += 1
            if let target { report.addExample(key, source, target) }
        case .write, .overwrite:
            guard encoder.isExpired(entry) else { return write(key, source, target) }
            report.expired += 1
        }
        open[key] = nil
        return nil
    }

    private mutating func write(_ key: Key, _ source: MergeEntry, _ target: MergeEntry?) -> Write {
        var write = Write(key: key, source: source, expected: target?.revision ?? 0)
        if case .overwrite = rule.verdict(source: source, target: target), let target {
            write.overwrites = true
            report.addExample(key, source, target)
        }
        return write
    }

    private mutating func count(_ write: Write) {
        if write.source.isPut { report.written += 1 } else { report.deleted += 1 }
        if write.overwrites { report.overwritten += 1 }
        open[write.key] = nil
    }

    private mutating func write() async throws {
        let publisher = try await ConditionalPublisher(bucket.context)
        do {
            try await write(by: publisher)
        } catch {
            await publisher.stop()
            throw error
        }
        await publisher.stop()
    }

    private mutating func write(by publisher: ConditionalPublisher) async throws {
        guard let first = open.values.min() else { return }
        var encoder = MergeEncoder(bucket, isTTLHeeded: try prepared.state.heedsEntryTTL)
        let portion = throttle?.portion ?? .max
        var cursor = prepared.state.makeCursor(after: first - 1)
        while let run = try cursor.next() {
            var full: [(ConditionalPublisher.Batch, [Write])] = []
            var (batch, writes) = (publisher.makeBatch(), [Write]())
            try run.forEachEntry { entry in
                let key = options.mapping.map(Key(bytes: Array(entry.key)))
                guard open[key] == entry.revision else { return }
                let source = MergeEntry(entry, in: archived)
                guard let write = judge(entry, key, source, encoder) else { return }
                encoder.append(entry, as: key, from: source.origin, expecting: write.expected, to: &batch)
                writes.append(write)
                if batch.isFull || batch.byteCount >= portion {
                    full.append((batch, writes))
                    (batch, writes) = (publisher.makeBatch(), [])
                }
            }
            full.append((batch, writes))
            for (batch, writes) in full {
                try settle(writes, try await publisher.send(batch))
                try await throttle?.pass(batch.byteCount)
                report(.writing, report.keys - UInt64(open.count))
            }
        }
    }

    /// Takes what came of some writes; throws if it is no use to go on before looking again.
    private mutating func settle(_ writes: [Write], _ outcomes: [ConditionalPublisher.Outcome]) throws {
        var failure: (any Error)?
        for (write, outcome) in zip(writes, outcomes) {
            switch outcome {
            case .stored:
                count(write)
            case .refused(let error) where error.code == .wrongLastSequence:
                report.contested += 1
            case .refused(let error) where error.isTransient:
                failure = failure ?? error
            case .refused(let error):
                failure = ReplicationError(
                    .targetRefuses,
                    bucket: bucket.name.rawValue,
                    text: "it does not take key \(write.key): \(error.text)",
                    hint: "what was written so far stays; mend that, or leave the key out with --filter, and run again"
                )
            case .unknown:
                unanswered.insert(write.key)
                failure =
                    failure
                    ?? JetStreamError(
                        code: .interrupted,
                        subject: bucket.context.apiPrefix,
                        text: "a write of key \(write.key) was not acknowledged"
                    )
            }
        }
        if let failure { throw failure }
    }

    /// Refuses before anything is written what no server stores, and what the bucket could never hold.
    private func refuseWhatCannotBeSent() throws {
        let limit = MergeEncoder.limit(bucket)
        let mapping = options.mapping
        try prepared.state.forEachOutline { entry, valueLength in
            let key = mapping.map(Key(bytes: Array(entry.key)))
            guard open[key] == entry.revision else { return }
            let reason: String? =
                if !key.isStorable {
                    "no server stores its name"
                } else if entry.headers.count + valueLength + MergeEncoder.leastAddition > limit {
                    "its value takes \(SizeText.text(bytes: Int64(valueLength))), and the bucket takes no larger messages "
                        + "than \(SizeText.text(bytes: Int64(limit)))"
                } else {
                    nil
                }
            guard let reason else { return }
            throw ReplicationError(
                .targetRefuses,
                bucket: bucket.name.rawValue,
                text: "key \(key) cannot be merged: \(reason)",
                hint: "nothing was written; leave it out with --filter"
            )
        }
    }

    private func refusal(_ text: String, _ hint: String) -> ReplicationError {
        ReplicationError(.targetBusy, bucket: bucket.name.rawValue, text: text, hint: hint)
    }

    private func report(_ phase: RestoreProgress.Phase, _ entries: UInt64) {
        progress(
            RestoreProgress(phase: phase, entries: entries, total: report.keys, interruptions: interruptions)
        )
    }
}
