import Archive
import JetStream
import KVModel
import KeyValue
import Replication

/// A verify job: is an archive sound, and does a bucket hold what it says.
struct Verification: Sendable {
    let work: VerifyWork
    let run: JobRun

    init(_ work: VerifyWork, _ run: JobRun) {
        self.work = work
        self.run = run
    }

    /// This many problems are told in full.
    private static let toldProblems = 5

    func run() async throws -> RunResult {
        try await run.reading(work.archive, as: "verify") { reader in
            let result = try await check(reader)
            var note = ReadingNote(entries: result.entries, bytes: result.bytes, error: result.error)
            note.revision = result.revision
            return (result, note)
        }
    }

    private func check(_ reader: ArchiveReader) async throws -> RunResult {
        run.meter.doing("checking \(work.archive)")
        let report = try await onOwnThread { [meter = run.meter] shouldStop in
            let tell: (VerificationReport.Progress) -> Void = { state in
                let part = ProgressMeter.Part(
                    entries: UInt64(clamping: state.entries),
                    bytes: UInt64(clamping: state.bytes)
                )
                meter.update("checking", part)
            }
            return try reader.verify(progress: tell, shouldStop: shouldStop)
        }
        let checked = report.checked
        var result = RunResult(
            report.isSound ? .succeeded : .failed,
            entries: UInt64(clamping: checked.entries),
            bytes: UInt64(clamping: checked.bytes),
            summary: "the archive is sound: \(checked.segments) segments and \(checked.entries) entries checked"
        )
        guard report.isSound else {
            let told = report.problems.prefix(Self.toldProblems).map(\.description).joined(separator: "\n")
            let count = report.problems.count
            result.summary = "the archive is damaged: \(count) \(count == 1 ? "problem" : "problems")"
            result.error =
                told + (count > Self.toldProblems ? "\nand \(count - Self.toldProblems) more" : "")
                + "\n`cistern verify` shows all; `cistern repair` saves what is whole"
            return result
        }
        if let against = work.against { try await compare(against, reader, &result) }
        return result
    }

    private func compare(_ against: BucketLocation, _ reader: ArchiveReader, _ result: inout RunResult) async throws {
        let name = against.bucket
        run.meter.doing("comparing with \(against.cluster)/\(name)")
        let bucket = try await run.connections.buckets(of: against.cluster).bucket(name)
        let incarnation = try choose(reader, bucket)
        let revision = try reader.resolve(.newest, in: incarnation.id)
        let state = try await reader.scannedState(of: incarnation.id, at: revision)
        let meter = run.meter
        let comparison = try await LiveComparison(bucket, incarnation).run(state, at: revision) { done in
            meter.update("comparing", ProgressMeter.Part(entries: done))
        }
        result.revision = revision
        guard comparison.isEqual, !comparison.isUnfinishedRestore else {
            result.outcome = .different
            result.summary += "; bucket \(name) differs"
            result.error =
                comparison.isEqual
                ? "bucket \(name) of cluster \(against.cluster) is an unfinished restore; finish that first"
                : "bucket \(name) of cluster \(against.cluster) differs from the archive: \(comparison.summary); "
                    + "`cistern diff` shows all, a backup brings the archive up to date"
            return
        }
        result.summary += "; bucket \(name) is the same, \(comparison.summary)"
    }

    /// What of the archive is to be compared: the live bucket's own life, else the newest of its name, else the only
    /// bucket there is.
    private func choose(_ reader: ArchiveReader, _ bucket: Bucket) throws -> Incarnation {
        let all = try reader.incarnations()
        let named = all.filter { $0.bucket == bucket.name }
        let own = named.filter { $0.cluster == bucket.clusterName }
        if let same = own.first(where: { $0.created == bucket.info.created }) { return same }
        let fitting = !own.isEmpty ? own : !named.isEmpty ? named : all
        guard let newest = fitting.max(by: { $1.isLater(than: $0) }), Set(fitting.map(\.bucket)).count == 1 else {
            throw DaemonError(
                .configuration,
                text: "the archive holds no bucket \(bucket.name)\(all.isEmpty ? "" : ", and more than one other")",
                hint: "`cistern list` shows what it holds"
            )
        }
        return newest
    }
}
