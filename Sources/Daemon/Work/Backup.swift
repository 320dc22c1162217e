import Archive
import KVModel
import KeyValue
import Logging
import Replication

/// A backup job: buckets into an archive, once.
struct Backup: Sendable {
    let work: BackupWork
    let run: JobRun
    /// The job's own limit, which its captures share.
    let rate: SharedRate?

    init(_ work: BackupWork, _ run: JobRun) {
        self.work = work
        self.run = run
        rate = work.bytesPerSecond.map { SharedRate(bytesPerSecond: $0) }
    }

    func run() async throws -> RunResult {
        let rates = SharedRate.current + [rate].compactMap(\.self)
        return try await SharedRate.$current.withValue(rates) {
            try await work.follows ? follow() : runOnce()
        }
    }

    private func runOnce() async throws -> RunResult {
        run.meter.doing("looking for buckets")
        let choice = try await choose()
        var tally = RunTally()
        for name in choice.missing { tally.add(BucketChoice.nothing(name, cluster: work.cluster)) }
        // Without a word they would be taken for backed up.
        for (name, error) in choice.silent.sorted(by: { $0.key < $1.key }) {
            tally.add(RunTally.failed("bucket \(name)", error))
        }
        // An archive is made only for a bucket that is there.
        guard !choice.buckets.isEmpty else { return tally.result("backed up", entries: "read") }
        let captured = try await run.archives.withWriter(work.archive, creates: true, lease: run.lease) { writer in
            var captured = RunTally()
            for bucket in choice.buckets where !Task.isCancelled { captured.add(await backUp(bucket)) }
            if let failure = await prune(choice.buckets, writer) { captured.add(failure) }
            return captured
        }
        tally.add(captured)
        return tally.result("backed up", entries: "read")
    }

    /// The buckets that are meant now.
    func choose() async throws -> BucketChoice {
        var excluded: Set<BucketName> = [Mirror.recordBucket]
        if let leases = run.runner.leases, leases.cluster == work.cluster { excluded.formUnion(leases.buckets) }
        return try await BucketChoice(
            work.buckets,
            in: try await run.connections.buckets(of: work.cluster),
            excluding: excluded
        )
    }

    /// Backs one bucket up; that it fails is in what is answered.
    private func backUp(_ bucket: Bucket) async -> RunTally.Part {
        do {
            return try await capture(bucket)
        } catch {
            run.logger.warning(
                "a bucket was not backed up",
                metadata: ["bucket": "\(bucket.name)", "reason": "\(error)"]
            )
            return RunTally.failed("bucket \(bucket.name)", error)
        }
    }

    /// Captures a bucket when it is its turn.
    func capture(
        _ bucket: Bucket,
        follows: Bool = false,
        progress: @escaping @Sendable (CaptureProgress) -> Void = { _ in }
    ) async throws -> RunTally.Part {
        try await run.archives.withWriter(
            work.archive,
            claiming: .bucket(cluster: bucket.clusterName, name: bucket.name),
            as: run.name,
            isEndless: follows,
            lease: run.lease
        ) { writer in
            var options = Capture.Options()
            options.follows = follows
            options.filter = work.filter
            options.bytesPerSecond = run.slowest(nil)
            options.commitInterval = .nanoseconds(work.commitEvery)
            if follows { options.patience = nil }
            let (meter, name) = (run.meter, bucket.name.rawValue)
            if !follows { meter.doing("reading \(name)") }
            defer { meter.end(name) }
            // Another run may have captured it while this one waited for its turn.
            let current = try await bucket.refreshed()
            var report = try await Capture(current, into: writer, options: options) { state in
                var part = ProgressMeter.Part(entries: state.entries, bytes: state.bytes)
                if follows { part.lagEntries = state.pending }
                part.interruptions = state.interruptions
                meter.update(name, part)
                progress(state)
            }.run()
            // A state holds the write-ahead log: the archive could not be closed as one file.
            let state = report.state
            report.state = nil
            return try await settle(report, state, current, writer)
        }
    }

    /// Names and verifies what was captured.
    private func settle(
        _ report: CaptureReport,
        _ captured: BucketState?,
        _ bucket: Bucket,
        _ writer: ArchiveWriter
    ) async throws -> RunTally.Part {
        var part = RunTally.Part(name: "bucket \(report.bucket)", outcome: .done)
        part.revision = report.consistentRevision
        part.entries = report.entries
        part.bytes = report.bytes
        if case .recreated(let previously) = report.plan {
            part.remarks.append("it was deleted and created again: a new incarnation after the one of \(previously)")
        }
        if report.isUnexplained {
            part.remarks.append("it counts \(report.sourceMessages) entries, not as many as the archive")
        }
        if report.outcome == .stopped { part.outcome = .stopped }
        guard report.outcome != .noConsistentRevision else {
            let proved = report.consistentRevision.map { "to revision \($0)" } ?? "to no revision yet"
            part.outcome = .failed(
                "no consistent revision was found: it was written to all the time; the archive keeps what was read, "
                    + "and is complete \(proved); run it when there are fewer writes, or follow the bucket"
            )
            return part
        }
        let isDone = report.outcome == .complete || work.follows
        guard isDone, let revision = report.consistentRevision else { return part }
        let reader = try writer.reader()
        defer { run.close(reader) }
        guard let incarnation = try reader.latestIncarnation(bucket: report.bucket, cluster: report.cluster) else {
            return part
        }
        if let remark = try tag(revision, incarnation, writer) { part.remarks.append(remark) }
        guard work.verifies, report.outcome == .complete else { return part }
        run.meter.doing("verifying \(report.bucket)")
        let state: BucketState
        if let captured {
            state = captured
        } else {
            state = try await reader.scannedState(of: incarnation.id, at: revision)
        }
        let comparison = try await LiveComparison(bucket, incarnation).run(state, at: revision)
        if comparison.isEqual {
            part.remarks.append("verified, \(comparison.summary)")
        } else {
            part.outcome = .different("the archive differs from the bucket: \(comparison.summary)")
        }
        return part
    }

    /// Names a revision as the job says; answers a remark if the name means another revision already.
    private func tag(_ revision: Revision, _ incarnation: Incarnation, _ writer: ArchiveWriter) throws -> String? {
        guard let tag = work.tag else { return nil }
        let text = run.began.description
        let time = text.dropFirst(11).prefix(8).replacing(":", with: "-")
        let name = tag.replacing("{date}", with: String(text.prefix(10))).replacing("{time}", with: time)
        do {
            try writer.tag(name, incarnation.id, revision: revision, at: .wallClock())
            return "tagged \(name)"
        } catch let error as ArchiveError where error.code == .exists {
            return "not tagged: \(error.hint ?? "there is a tag \(name)")"
        }
    }

    /// Prunes what the archive holds of the buckets of this job, if it is to; answers what went wrong.
    func prune(_ buckets: [Bucket], _ writer: ArchiveWriter) async -> RunTally.Part? {
        guard let retention = work.retention, !Task.isCancelled else { return nil }
        let meant = Set(buckets.map { "\($0.clusterName)/\($0.name)" })
        do {
            if !work.follows { run.meter.doing("pruning") }
            _ = try await run.prune(work.archive, retention, compacts: true) {
                meant.contains("\($0.cluster)/\($0.bucket)")
            }
            return nil
        } catch {
            run.logger.warning("the archive was not pruned", metadata: ["reason": "\(error)"])
            return RunTally.failed("pruning", error)
        }
    }
}
