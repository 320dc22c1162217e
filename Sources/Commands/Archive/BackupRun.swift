import Archive
import KVModel
import KeyValue
import Replication

/// The backup of one bucket, from capture to what is said of it.
struct BackupRun: Sendable {
    let bucket: Bucket
    let writer: ArchiveWriter
    let options: BackupCommand
    let bytesPerSecond: UInt64?
    let console: Console

    /// Backs the bucket up; what fails is said and answered as a status, so that other buckets go on.
    func run() async -> RunStatus {
        do {
            let result = try await backUp()
            console.progress.clear()
            try say(result)
            return result.status
        } catch {
            let failure = Failure(error)
            guard !failure.isStop else { return .done }
            console.fail(failure)
            if console.isJSON {
                // The message above is what counts; a reader that has gone cannot be told anything.
                do { try console.document(BackupDocument(bucket: bucket.name, failure: failure)) } catch {}
            }
            return failure.status
        }
    }

    private func backUp() async throws -> BackupResult {
        var capture = Capture.Options()
        capture.follows = options.follow
        // A backup that follows outlives its server's maintenance; one from cron ends and says so.
        if options.follow { capture.patience = nil }
        capture.filter = options.filter
        capture.bytesPerSecond = bytesPerSecond
        if let commitEvery = options.commitEvery { capture.commitInterval = commitEvery }
        if let settleWithin = options.settleWithin { capture.probeLimit = settleWithin }
        let (progress, name) = (console.progress, bucket.name)
        progress.restart()
        var report = try await Capture(bucket, into: writer, options: capture) { state in
            progress.update(Self.progressText(state, of: name))
        }.run()
        // A state holds the write-ahead log: with one in the result the archive could be closed without being one file.
        let captured = report.state
        let read = report.digest
        (report.state, report.digest) = (nil, nil)
        var result = BackupResult(report: report)
        guard report.outcome != .stopped || options.follow, let revision = report.consistentRevision else {
            return result
        }
        let reader = try writer.reader()
        guard let incarnation = try reader.latestIncarnation(bucket: report.bucket, cluster: report.cluster) else {
            return result
        }
        if let tag = options.tag {
            try writer.tag(tag, incarnation.id, revision: revision, at: .wallClock())
            result.tag = tag
        }
        guard report.outcome == .complete else { return result }
        let totals = result.report.totals
        if let totals, captured == nil, !options.verify, !isWorthReading(totals, after: result.report) {
            result.held = (totals.keys, totals.entries)
            return result
        }
        let state = try captured ?? reader.state(of: incarnation.id, at: revision)
        result.held = (state.keys, state.entries)
        if let digest = read.flatMap({ reader.digest(of: state, fromAll: $0) }) {
            result.digest = digest.hex
        } else if isWorthReading(state.totals, after: result.report) {
            result.digest = try reader.digest(of: state).hex
        }
        if options.verify {
            result.comparison = try await compare(state, incarnation, at: revision)
        }
        return result
    }

    /// Whether the digest of a state is to be reckoned: where little has changed in much it would take far longer than
    /// the backup.
    private func isWorthReading(_ held: StateTotals, after report: CaptureReport) -> Bool {
        options.digest || held.bytes <= Self.freelyRead || report.bytes >= UInt64(clamping: held.bytes / 4)
    }

    private static let freelyRead = 64 << 20

    private func compare(
        _ state: BucketState,
        _ incarnation: Incarnation,
        at revision: Revision
    ) async throws -> ComparisonReport {
        let (progress, name, total) = (console.progress, bucket.name, state.entries)
        progress.restart()
        let comparison = LiveComparison(try await bucket.refreshed(), incarnation)
        return try await comparison.run(state, at: revision) { done in
            progress.update(
                ProgressText(activity: "\(name): verifying", entries: done, total: UInt64(clamping: total))
            )
        }
    }

    static func progressText(_ state: CaptureProgress, of bucket: BucketName) -> ProgressText {
        ProgressText(
            activity: "\(bucket): reading",
            entries: state.entries,
            total: state.pending > 0 ? state.entries.addingClamped(state.pending) : nil,
            bytes: state.bytes,
            remark: state.interruptions > 0 ? NumberText.count(state.interruptions, "interruption") : nil
        )
    }

    private func say(_ result: BackupResult) throws {
        if case .recreated(let previously) = result.report.plan {
            console.warn(
                "bucket \(bucket.name) was deleted and created again (\(result.report.created)): a new incarnation "
                    + "begins in the archive, the one created \(previously) stays"
            )
        }
        if console.isJSON {
            try console.document(BackupDocument(result))
        } else {
            try console.report(BackupText.lines(result))
        }
        try console.flush()
        if let failure = result.failure { console.fail(failure) }
    }
}
