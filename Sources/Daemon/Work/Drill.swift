import Archive
import JetStream
import KVModel
import KeyValue
import Logging
import Replication

/// A drill: the newest point of archived buckets restored into a scratch bucket, compared, and deleted again.
///
/// A backup that was never restored is a hope; a drill proves it, on a real server, every time it runs. The scratch
/// bucket bears a mark (`DrillMark`): it is deleted however the drill ends, and one that a killed drill left behind is
/// deleted by the next. A bucket without the mark is never touched.
struct Drill: Sendable {
    let work: DrillWork
    let run: JobRun
    private let mark: DrillMark

    init(_ work: DrillWork, _ run: JobRun) {
        self.work = work
        self.run = run
        mark = DrillMark(job: run.name)
    }

    func run() async throws -> RunResult {
        try await run.reading(work.archive, as: "drill") { reader in
            let incarnations = try chosen(reader)
            var tally = RunTally()
            var longest: (name: String, duration: Duration)?
            for incarnation in incarnations where !Task.isCancelled {
                let (part, duration) = await prove(incarnation, reader)
                tally.add(part)
                if let duration, duration > longest?.duration ?? .zero { longest = (part.name, duration) }
            }
            var result = tally.result("restored and compared", entries: "proved")
            if let longest {
                let of = incarnations.count == 1 ? "" : "the longest, of \(longest.name), "
                result.summary += "; a restore takes \(of)\(Self.text(longest.duration))"
            }
            var note = ReadingNote(entries: result.entries, bytes: result.bytes, error: result.error)
            note.revision = result.revision
            note.incarnation = incarnations.count == 1 ? incarnations[0].id : nil
            note.isStopped = result.outcome == .stopped
            return (result, note)
        }
    }

    /// The newest life of each archived bucket that is meant.
    private func chosen(_ reader: ArchiveReader) throws -> [Incarnation] {
        let all = try reader.incarnations().filter { work.bucket == nil || $0.bucket == work.bucket }
        let lives = Dictionary(grouping: all) { "\($0.cluster)/\($0.bucket)" }
        let newest = lives.sorted { $0.key < $1.key }.compactMap { $0.value.max { $1.isLater(than: $0) } }
        guard !newest.isEmpty else {
            throw DaemonError(
                .configuration,
                text: "the archive holds no \(work.bucket.map { "bucket \($0)" } ?? "bucket") yet",
                hint: "back one up first"
            )
        }
        return newest
    }

    /// Restores one bucket and compares it; that it fails is in what is answered.
    private func prove(_ incarnation: Incarnation, _ reader: ArchiveReader) async -> (RunTally.Part, Duration?) {
        let label = "bucket \(incarnation.bucket)"
        do {
            let name = try BucketName(work.prefix + incarnation.bucket.rawValue)
            let buckets = try await run.connections.buckets(of: work.cluster)
            let place = "\(work.cluster)/\(name)"
            return try await run.runner.scratch.having(place, as: .init(name: run.name)) {
                try await clear(name, buckets)
                let report: Result<RestoreReport, any Error>
                do {
                    report = .success(try await restore(incarnation, as: name, reader, buckets))
                } catch {
                    report = .failure(error)
                }
                let leftover = await delete(name)
                return (part(label, try report.get(), leftover), try report.get().duration)
            }
        } catch {
            run.logger.warning("a drill failed", metadata: ["bucket": "\(incarnation.bucket)", "reason": "\(error)"])
            return (RunTally.failed(label, error), nil)
        }
    }

    private func part(_ label: String, _ report: RestoreReport, _ leftover: String?) -> RunTally.Part {
        var part = RunTally.Part(name: label, outcome: .done)
        part.revision = report.revision
        part.entries = report.comparison?.equal ?? 0
        if report.expired > 0 { part.remarks.append("\(report.expired) had expired") }
        if let leftover { part.outcome = .failed(leftover) }
        return part
    }

    private func restore(
        _ incarnation: Incarnation,
        as name: BucketName,
        _ reader: ArchiveReader,
        _ buckets: Buckets
    ) async throws -> RestoreReport {
        var options = RestoreOptions()
        options.bucket = incarnation.bucket
        options.cluster = incarnation.cluster
        options.created = incarnation.created
        options.newName = name
        options.bytesPerSecond = run.slowest(nil)
        // What is restored only to be looked at must not reach those who listen to the bucket.
        options.settings = ["republish.source=", "republish.destination="] + work.settings
        options.settings.append(mark.setting(hasMetadata: buckets.context.serverIsAtLeast(2, 10)))
        let meter = run.meter
        defer { meter.end(name.rawValue) }
        let restore = Restore(from: reader, to: buckets, options: options) { state in
            meter.doing("\(state.phase == .verifying ? "comparing" : "restoring") \(incarnation.bucket)")
            meter.update(name.rawValue, .init(entries: state.entries, interruptions: state.interruptions))
        }
        return try await restore.run(try await restore.prepare())
    }

    /// Deletes what an earlier drill of this job that was killed has left; throws if the name is somebody else's.
    private func clear(_ name: BucketName, _ buckets: Buckets) async throws {
        let found = try await buckets.deleteScratch(name) { mark.isOn($0) }
        if found {
            run.logger.notice("deleted the scratch bucket of a drill that was killed", metadata: ["bucket": "\(name)"])
        }
    }

    /// So often it is tried to delete a scratch bucket, before that is left to the next drill.
    private static let deletions = 5

    /// Deletes the scratch bucket, even when the run was cancelled; answers why it is still there.
    private func delete(_ name: BucketName) async -> String? {
        await Task {
            var last = ""
            for attempt in 1...Self.deletions {
                do {
                    let buckets = try await run.connections.buckets(of: work.cluster)
                    _ = try await buckets.deleteScratch(name) { mark.isOn($0) }
                    return nil
                } catch {
                    last = Explanation.of(error)
                    // Nobody cancels this task.
                    if attempt < Self.deletions { try? await Task.sleep(for: .milliseconds(200 << attempt)) }
                }
            }
            run.logger.error("a scratch bucket was left behind", metadata: ["bucket": "\(name)", "reason": "\(last)"])
            return "the scratch bucket \(name) could not be deleted, the next drill does that: \(last)"
        }.value
    }

    private static func text(_ duration: Duration) -> String {
        let milliseconds = duration / .milliseconds(1)
        guard milliseconds >= 1000 else { return "\(Int(milliseconds.rounded())) ms" }
        return "\((milliseconds / 100).rounded() / 10) s"
    }
}
