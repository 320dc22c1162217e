import Archive
import KVModel
import Logging
import Replication
import Schedule

/// A prune job: what an archive keeps, by a policy.
struct Pruning: Sendable {
    let work: PruneWork
    let run: JobRun

    init(_ work: PruneWork, _ run: JobRun) {
        self.work = work
        self.run = run
    }

    func run() async throws -> RunResult {
        let wanted = Set(work.buckets)
        run.meter.doing("pruning \(work.archive)")
        let reports = try await run.prune(work.archive, work.retention, compacts: work.compacts, telling: run.meter) {
            incarnation in
            wanted.isEmpty || wanted.contains(incarnation.bucket)
        }
        let points = reports.buckets.reduce(0) { $0 + $1.droppedPoints.count }
        let entries = reports.buckets.reduce(0) { $0 + $1.droppedEntries }
        var summary =
            "\(points) \(points == 1 ? "point" : "points") and \(entries) "
            + "\(entries == 1 ? "entry" : "entries") dropped"
        if let compaction = reports.compaction {
            summary += "; the file has \(compaction.sizeAfter) bytes, \(compaction.sizeBefore) before"
        }
        let unknown = wanted.subtracting(reports.buckets.map(\.incarnation.bucket)).sorted()
        if !unknown.isEmpty {
            summary += "; nothing to prune of \(unknown.map(\.rawValue).joined(separator: ", "))"
        }
        return RunResult(
            Task.isCancelled ? .stopped : .succeeded,
            entries: UInt64(entries),
            bytes: UInt64(reports.buckets.reduce(0) { $0 + $1.droppedBytes }),
            summary: summary
        )
    }
}

extension JobRun {
    /// Prunes incarnations of an archive when it is the run's turn, with a line in the archive's audit trail.
    func prune(
        _ archive: String,
        _ policy: RetentionPolicy,
        compacts: Bool,
        telling meter: ProgressMeter? = nil,
        of isMeant: @escaping @Sendable (Incarnation) -> Bool
    ) async throws -> PruneReport {
        try await archives.withWriter(archive, claiming: .care, as: name, lease: lease) { writer in
            try await onOwnThread { shouldStop in
                try writer.audited("prune") { audit in
                    let report = try writer.prune(
                        policy,
                        compacts: compacts,
                        of: isMeant,
                        shouldStop: shouldStop
                    ) { state in
                        let part = ProgressMeter.Part(
                            entries: UInt64(clamping: state.entries),
                            bytes: UInt64(clamping: state.bytes)
                        )
                        meter?.update("pruning", part)
                    }
                    audit.isStopped = shouldStop()
                    if report.buckets.count == 1 { audit.incarnation = report.buckets[0].incarnation.id }
                    audit.entries = report.buckets.reduce(0) { $0 + $1.droppedEntries }
                    audit.bytes = report.buckets.reduce(0) { $0 + $1.droppedBytes }
                    return report
                }
            }
        }
    }

    /// Closes what was only read; that it could not be closed is no failure of the run.
    func close(_ reader: ArchiveReader) {
        do {
            try reader.close()
        } catch {
            logger.warning("an archive was not closed", metadata: ["path": "\(reader.path)", "reason": "\(error)"])
        }
    }
}
