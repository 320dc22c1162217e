import KVModel
import KeyValue
import Replication

/// A mirror as the command line runs it: what is shown meanwhile, and what is said in the end.
struct MirrorRun: Sendable {
    private let source: Bucket
    private let targets: Buckets
    private let target: BucketName
    private let command: MirrorCommand
    private let mapping: KeyMapping
    private let console: Console

    init(
        source: Bucket,
        targets: Buckets,
        target: BucketName,
        command: MirrorCommand,
        console: Console
    ) throws {
        self.source = source
        self.targets = targets
        self.target = target
        self.command = command
        self.console = console
        mapping = try KeyMapping(command.map)
    }

    /// Does what the command says.
    func run() async throws -> RunStatus {
        guard command.once || command.reconcile else {
            try say(try await follow(), nil)
            return .done
        }
        var report: MirrorReport?
        if command.once {
            let display = MirrorDisplay(target, console, writesDocuments: false)
            report = try await Mirror(source, to: targets, as: target, options: options(follows: false)) {
                display.update($0)
            }.run()
        }
        guard command.reconcile, !Task.isCancelled else {
            if let report { try say(report, nil) }
            return status(report)
        }
        console.progress.restart()
        let found = try await reconcile(repairs: !command.dryRun)
        if let report { try say(report, found) } else { try say(found) }
        return status(report).worse(found.isEqual ? .done : .different)
    }

    /// What a mirror's own part comes to; one that has not caught up says so, whatever else is silent.
    private func status(_ report: MirrorReport?) -> RunStatus {
        guard let report, report.outcome == .notCaughtUp else { return .done }
        let failure = Failure(
            message: "bucket \(target): \(source.name) is written to all the time: the mirror did not come to its end",
            hint: "run it again, or without --once to follow it; nothing of what was mirrored is lost",
            status: .busy
        )
        console.fail(failure)
        return failure.status
    }

    private func options(follows: Bool) -> MirrorOptions {
        var options = MirrorOptions()
        options.filter = command.filter
        options.mapping = mapping
        options.deletes = !command.noDeletes
        options.follows = follows
        options.onRecreate = command.onRecreate
        options.preservesRevisions = command.preserveRevisions
        options.bytesPerSecond = command.rate
        options.settings = command.changes.settings
        // A mirror that goes on outlives its servers' maintenance; one from cron ends and says so.
        options.patience = follows ? nil : .seconds(120)
        return options
    }

    // MARK: Running on

    private func follow() async throws -> MirrorReport {
        let display = MirrorDisplay(target, console, writesDocuments: console.isJSON)
        let mirror = Mirror(source, to: targets, as: target, options: options(follows: true)) { display.update($0) }
        guard let interval = command.reconcileEvery else { return try await mirror.run() }
        return try await withThrowingTaskGroup(of: MirrorReport?.self) { group in
            group.addTask { try await mirror.run() }
            group.addTask {
                try await reconcile(every: interval, beside: display)
                return nil
            }
            defer { group.cancelAll() }
            while let ended = try await group.next() {
                if let report = ended { return report }
            }
            throw CancellationError()
        }
    }

    /// Compares and repairs from time to time; what fails is said, and tried again the next time.
    private func reconcile(every interval: Duration, beside display: MirrorDisplay) async throws {
        while !Task.isCancelled {
            do { try await Task.sleep(for: interval) } catch { return }
            // Before it has caught up, everything that is missing is on its way.
            guard display.state.phase == .live else { continue }
            let report: ReconciliationReport
            do {
                report = try await reconcile(repairs: true, position: { display.state.resumeRevision })
            } catch {
                let failure = Failure(error)
                guard !failure.isStop else { return }
                console.warn(
                    "the comparison of \(target) with \(source.name) failed: \(failure.message.escapedForTerminal)"
                )
                continue
            }
            try say(report)
            try console.flush()
        }
    }

    // MARK: Comparing

    private func reconcile(
        repairs: Bool,
        position: (@Sendable () -> Revision)? = nil
    ) async throws -> ReconciliationReport {
        var options = ReconciliationOptions()
        options.filter = command.filter
        options.mapping = mapping
        options.deletes = !command.noDeletes
        options.preservesRevisions = command.preserveRevisions
        options.repairs = repairs
        options.bytesPerSecond = command.rate
        options.mirrorPosition = position
        let (progress, target) = (console.progress, target)
        // Both as they are now: beside a mirror that resynchronises, the source may be another one by then.
        let (source, bucket) = (try await source.refreshed(), try await targets.bucket(target))
        let reconciliation = Reconciliation(source: source, target: bucket, options: options) { state in
            // Beside a mirror, the line is the mirror's.
            guard position == nil else { return }
            progress.update(MirrorText.progress(state, of: target))
        }
        return try await reconciliation.run()
    }

    // MARK: Saying

    private func say(_ report: MirrorReport, _ found: ReconciliationReport?) throws {
        console.progress.clear()
        if console.isJSON {
            try console.document(MirrorDocument(report, found))
        } else {
            try console.report(MirrorText.lines(report) + (found.map { MirrorText.lines($0) } ?? []))
        }
        if let found { warn(found) }
    }

    private func say(_ found: ReconciliationReport) throws {
        console.progress.clear()
        if console.isJSON {
            try console.document(ReconciliationDocument(found))
        } else {
            try console.report(MirrorText.lines(found))
        }
        warn(found)
    }

    /// What differs and was not repaired is an error, whatever else is silent.
    private func warn(_ found: ReconciliationReport) {
        guard !found.isEqual else { return }
        let left = NumberText.count(found.differences - found.repaired, "key")
        console.fail(
            Failure(
                message: "bucket \(target): \(left) not as in \(source.name)",
                hint: command.dryRun
                    ? "run it without --dry-run to repair the target"
                    : "run it again with --reconcile; what the target refuses is named with the reason",
                status: .different
            )
        )
    }
}
