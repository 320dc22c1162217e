public import KVModel
public import KeyValue

/// Keeps a bucket equal to another one, wherever that is.
///
/// The source's kept history is written first, then every change as it comes. Each entry that is written says which
/// revision of which life of the source it is, and takes effect only where the key's newest entry in the target is the
/// one that was acknowledged or looked up before: so whatever is lost, repeated or done by two runs at once, the target
/// gets every entry once and in its key's order. How far the mirror has come stands in a bucket of the target's cluster
/// (`MirrorRecord`): any machine can take over.
public struct Mirror: Sendable {
    let source: Bucket
    let targets: Buckets
    let target: BucketName
    let options: MirrorOptions
    let progress: @Sendable (MirrorProgress) -> Void
    /// For how long a source that was deleted may take to come back.
    var returnPatience = Duration.seconds(10)

    /// A mirror of a bucket into a bucket of this name; `progress` is told several times a second.
    public init(
        _ source: Bucket,
        to targets: Buckets,
        as target: BucketName,
        options: MirrorOptions = MirrorOptions(),
        progress: @escaping @Sendable (MirrorProgress) -> Void = { _ in }
    ) {
        self.source = source
        self.targets = targets
        self.target = target
        self.options = options
        self.progress = progress
    }

    /// Mirrors.
    ///
    /// Cancelling the task stops it at a checkpoint and is no error: the report says `stopped`.
    public func run() async throws -> MirrorReport {
        let clock = ContinuousClock()
        let started = clock.now
        var report = MirrorReport(
            outcome: .stopped,
            source: source.name,
            sourceCluster: source.clusterName,
            target: target,
            targetCluster: targets.clusterName
        )
        let claim = MirrorOpening.newClaim()
        var isAgain = false
        var quietSince = started
        while true {
            let before = report.written + report.skipped
            do {
                let opening = try await MirrorOpening.begin(
                    source,
                    to: targets,
                    as: target,
                    options: options,
                    claim: claim,
                    isAgain: isAgain
                )
                if !isAgain { report.fromRevision = opening.plan.record.resumeRevision }
                isAgain = true
                report.isTargetNew = report.isTargetNew || opening.isTargetNew
                report.resynced = report.resynced || opening.plan.isResync
                report.resumeRevision = opening.plan.record.resumeRevision
                var session = try await MirrorSession(opening, options: options, report: report, progress: progress)
                do {
                    report.outcome = try await session.run()
                    report = session.report(report.outcome)
                } catch {
                    report = session.report(.stopped)
                    throw error
                }
                break
            } catch  where error is CancellationError || Task.isCancelled {
                break
            } catch let error as ReplicationError where goesOn(after: error) {
                // The next round sees what the source is now.
                do { try await awaitReturn(of: error) } catch  where error is CancellationError || Task.isCancelled {
                    break
                }
            } catch  where isAgain && error.isUnreachable {
                report.interruptions += 1
                if report.written + report.skipped > before { quietSince = clock.now }
                if let patience = options.patience, quietSince.duration(to: clock.now) > patience { throw error }
                do { try await Task.sleep(for: .milliseconds(500)) } catch { break }
            }
        }
        report.duration = started.duration(to: clock.now)
        return report
    }

    private func goesOn(after error: ReplicationError) -> Bool {
        switch error.code {
        case .sourceRecreated, .sourceRegressed, .sourceDiverged: options.onRecreate == .resync
        case .sourceGone: true
        default: false
        }
    }

    /// A source that is gone may be on its way back: restored, or made anew.
    func awaitReturn(of gone: ReplicationError) async throws {
        guard gone.code == .sourceGone else { return }
        let clock = ContinuousClock()
        var answered = clock.now
        var deadline = answered + returnPatience
        while clock.now < deadline {
            do {
                _ = try await source.refreshed()
                return
            } catch let missing as KeyValueError where missing.code == .bucketNotFound {
                answered = clock.now
            } catch  where error.isUnreachable {
                // While its server is away nobody can say that the source has not come back.
                let silence = answered.duration(to: clock.now)
                if let patience = options.patience, silence > patience { throw error }
                deadline = clock.now + returnPatience
            }
            try await Task.sleep(for: .milliseconds(200))
        }
        throw gone
    }
}
