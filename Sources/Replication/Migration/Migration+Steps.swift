import Archive
import JetStream
import KVModel
import KeyValue
import NATSClient

extension Migration {
    /// Takes the steps from one on to the end.
    func run(
        from first: MigrationStep,
        _ begun: MigrationState,
        _ incarnation: Incarnation
    ) async throws -> MigrationReport {
        var state = begun
        var step = first
        var report = MigrationReport(bucket: name, outcome: .migrated)
        let clock = ContinuousClock()
        var fencedAt: ContinuousClock.Instant?
        do {
            while !step.isEnd {
                try journal(step, state, incarnation)
                progress(MigrationProgress(activity: .step(step)))
                if step == .fence { fencedAt = clock.now }
                step = try await take(step, &state, incarnation, &report)
            }
        } catch {
            // Connections end with the task that has opened them, so that other errors may come of a stop as well.
            let isStopped = error is CancellationError || Task.isCancelled
            guard Self.isUndone(step) else { throw explained(error, at: step, isStopped: isStopped) }
            try await undo(step, state, incarnation, because: error, isStopped: isStopped)
            guard isStopped else { throw error }
            throw ReplicationError(
                .stopped,
                bucket: name.rawValue,
                text: "its migration was stopped and undone: the bucket is as it was, and takes writes",
                hint: "begin anew with --set"
            )
        }
        try journal(step, state, incarnation)
        report.pause = fencedAt.map { $0.duration(to: clock.now) }
        report.finalRevision = state.finalRevision
        report.tag = state.finalRevision == nil ? nil : state.tag
        report.outcome = step == .done ? .migrated : .rolledBack
        return report
    }

    /// Takes a step, and answers the next one.
    private func take(
        _ step: MigrationStep,
        _ state: inout MigrationState,
        _ incarnation: Incarnation,
        _ report: inout MigrationReport
    ) async throws -> MigrationStep {
        switch step {
        case .trial:
            try await tryConfiguration(state)
            return .fence
        case .fence:
            try await fence(state)
            return .capture
        case .capture:
            state.finalRevision = try await captureTheRest(state, incarnation)
            // The last moment at which a stop is undone at once.
            try Task.checkCancellation()
            return .delete
        case .delete:
            try await delete(state)
            return .restore
        case .restore:
            report.restore = try await restore(state, incarnation, settings: state.settings)
            return .done
        case .unfence:
            try await unfence(state)
            return .rolledBack
        case .returning:
            report.strays = try await removeUnfinished(state, incarnation)
            report.restore = try await restore(state, incarnation, settings: [])
            return .rolledBack
        case .done, .rolledBack:
            return step
        }
    }

    private func fence(_ state: MigrationState) async throws {
        let fence = BucketFence(bucket: name, token: state.token)
        let fenced = fence.fenced(BucketConfiguration(stream: state.old))
        try await patiently { try await update(fenced) }
    }

    func update(_ configuration: BucketConfiguration) async throws {
        try await buckets.updateWhenPlaced(configuration, name, patience: options.patience)
    }

    /// Captures what came since, up to the last revision that the bucket will ever have.
    private func captureTheRest(_ state: MigrationState, _ incarnation: Incarnation) async throws -> Revision {
        let fence = BucketFence(bucket: name, token: state.token)
        let final = try await fence.finalRevision(buckets.context, patience: options.patience)
        let captured = try await capture(try await patiently { try await buckets.bucket(name) }, records: false)
        guard captured.incarnation.id == incarnation.id, captured.revision == final else {
            throw ReplicationError(
                .sourceDiverged,
                bucket: name.rawValue,
                text: "its final revision is \(final), the archive is complete to \(captured.revision ?? 0)",
                hint: "begin anew"
            )
        }
        try await refuseWhatCame(state, incarnation, at: final)
        let tags = try writer.reader().tags(of: incarnation.id)
        if !tags.contains(where: { $0.name == state.tag }) {
            try writer.tag(state.tag, incarnation.id, revision: final, at: .wallClock())
        }
        return final
    }

    /// Captures the bucket to a consistent revision.
    func capture(
        _ bucket: Bucket,
        records: Bool
    ) async throws -> (incarnation: Incarnation, revision: Revision?) {
        var capture = Capture.Options()
        capture.patience = options.patience
        capture.recordsConfiguration = records
        let progress = progress
        let report = try await Capture(bucket, into: writer, options: capture) { seen in
            progress(MigrationProgress(activity: .capture, entries: seen.entries))
        }.run()
        guard report.outcome == .complete,
            let incarnation = try writer.reader().incarnations().first(where: { incarnation in
                // Not the newest: a restore may have brought an older life back.
                incarnation.cluster == report.cluster && incarnation.bucket == name
                    && incarnation.created == report.created
            })
        else {
            try Task.checkCancellation()
            throw ReplicationError(
                .unsupported,
                bucket: name.rawValue,
                text: "it was written to all the time: no consistent revision was found",
                hint: "try again when there are fewer writes"
            )
        }
        return (incarnation, report.consistentRevision)
    }

    private func delete(_ state: MigrationState) async throws {
        let fence = BucketFence(bucket: name, token: state.token)
        let bucket = try await patiently { try await buckets.bucket(name) }
        guard fence.isClosed(bucket.configuration), bucket.info.state.lastSequence == state.finalRevision else {
            throw ReplicationError(
                .targetChanged,
                bucket: name.rawValue,
                text: "somebody changed it while it was fenced",
                hint: "keep others away, then begin anew"
            )
        }
        do {
            try await patiently { try await buckets.delete(name) }
        } catch let error as KeyValueError where error.code == .bucketNotFound {
            // The answer to an earlier request was lost.
        }
    }

    private func unfence(_ state: MigrationState) async throws {
        try await patiently { try await update(BucketConfiguration(stream: state.old)) }
        try await patiently { try await removeTrial(state) }
    }

    /// Whether what fails here is undone at once: the bucket is still there.
    private static func isUndone(_ step: MigrationStep) -> Bool {
        step == .trial || step == .fence || step == .capture
    }

    private func undo(
        _ step: MigrationStep,
        _ state: MigrationState,
        _ incarnation: Incarnation,
        because error: any Error,
        isStopped: Bool
    ) async throws {
        do {
            do {
                // In a task of its own: a signal must not keep the writers out for good.
                try await Task { try await giveBack(state, incarnation) }.value
            } catch  where Task.isCancelled {
                // The connection has ended with the task that had opened it.
                try await Task { try await giveBackAnew(state, incarnation) }.value
            }
        } catch let other {
            let isFenced = step != .trial
            throw ReplicationError(
                .targetChanged,
                bucket: name.rawValue,
                text: "the migration \(isStopped ? "was stopped" : "failed (\(error))"), and "
                    + (isFenced ? "giving the bucket its subjects back" : "cleaning up after its trial")
                    + " failed (\(other))",
                hint: (isFenced ? "nobody can write to it now" : "the bucket is as it was, and takes writes")
                    + ": run migrate with --rollback in place of --set"
            )
        }
    }

    private func giveBack(_ state: MigrationState, _ incarnation: Incarnation) async throws {
        try journal(.unfence, state, incarnation)
        try await unfence(state)
        try journal(.rolledBack, state, incarnation)
    }

    /// The same over a connection of its own; whoever has stopped a migration does not wait long.
    private func giveBackAnew(_ state: MigrationState, _ incarnation: Incarnation) async throws {
        var hasty = options
        hasty.patience = min(hasty.patience, .seconds(10))
        let limited = hasty
        try await buckets.onOpenConnection { buckets in
            try await Migration(of: name, in: buckets, by: writer, options: limited, progress: progress)
                .giveBack(state, incarnation)
        }
    }

    private func explained(_ error: any Error, at step: MigrationStep, isStopped: Bool) -> ReplicationError {
        let ways = step.isReturn ? "--rollback goes on" : "--resume goes on, --rollback brings the old bucket back"
        return ReplicationError(
            isStopped ? .stopped : .targetChanged,
            bucket: name.rawValue,
            text: "its migration stopped at the step \(step.rawValue): " + (isStopped ? "it was told to" : "\(error)"),
            hint: ways
        )
    }

    /// Asks again where a server that is restarted, or a cluster that looks for a leader, did not answer.
    func patiently<Result: Sendable>(_ work: () async throws -> Result) async throws -> Result {
        let clock = ContinuousClock()
        let deadline = clock.now.advanced(by: options.patience)
        while true {
            do {
                return try await work()
            } catch  where error.mayPass && clock.now < deadline {
                try await Task.sleep(for: .milliseconds(100))
                try await buckets.context.connection.waitUntilConnected(timeout: options.patience)
            }
        }
    }
}
