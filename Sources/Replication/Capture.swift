public import Archive
import JetStream
public import KVModel
public import KeyValue
import Logging

/// Brings a bucket into an archive, from the archive's resume revision on, up to a consistent revision.
///
/// Entries go from the wire's buffers straight into the columns of a segment; a segment is encoded and committed in
/// the background while the next one fills, and the server is let on only as segments are committed. A segment and the
/// checkpoint it leads to are one transaction, so a capture killed at any instant goes on from the last of them.
///
/// A revision S is consistent if nothing is pending behind it and a stream info asked for after that still says that
/// S is the last: `num_pending` 0 alone is an estimate that was seen to miss keys under writers.
public struct Capture: Sendable {
    /// How to capture.
    public struct Options: Sendable {
        /// Whether to go on capturing until stopped.
        public var follows = false
        /// How often a following capture commits what it has.
        public var commitInterval: Duration = .seconds(1)
        /// How often a following capture looks for entries that vanished without a message saying so.
        public var accountInterval: Duration = .seconds(300)
        /// For how long to look for a consistent revision on a busy bucket once all that was there has been read.
        public var probeLimit: Duration = .seconds(30)
        /// For how long to try to reach a lost server again; nil for ever.
        public var patience: Duration? = .seconds(120)
        /// Whether the bucket's configuration is recorded; not while it is fenced.
        public var recordsConfiguration = true
        /// The keys to keep; empty for every key.
        public var filter: [KeyPattern] = []
        /// How many bytes a second to read; nil for no limit.
        public var bytesPerSecond: UInt64?
        /// The raw bytes of a segment at which it is committed.
        public var segmentBytes = 4 << 20

        /// How large a bucket must be, as the server stores it, for a first capture to begin with the server's own
        /// snapshot, where there is one: small ones come as fast through a consumer.
        public var leastSnapshotBytes: UInt64 = 1 << 20

        /// Up to so many gaps between a bucket's messages a server is asked for every one (about half a megabyte); of a
        /// bucket with more, counts and sizes are held against the archive's first.
        public var mostListedGaps: UInt64 = 65_536

        /// Once, with the defaults.
        public init() {}
    }

    private let bucket: Bucket
    private let writer: ArchiveWriter
    private let options: Options
    private let progress: @Sendable (CaptureProgress) -> Void

    /// A capture of a bucket into an archive; `progress` is called after every batch, and when a consistent
    /// revision is found.
    public init(
        _ bucket: Bucket,
        into writer: ArchiveWriter,
        options: Options = Options(),
        progress: @escaping @Sendable (CaptureProgress) -> Void = { _ in }
    ) {
        self.bucket = bucket
        self.writer = writer
        self.options = options
        self.progress = progress
    }

    /// Captures.
    ///
    /// Cancelling the task stops it at a checkpoint and is no error: the report says `stopped`.
    public func run() async throws -> CaptureReport {
        let cluster = bucket.clusterName
        // A restore may have brought an older life back.
        let same = try writer.reader().incarnations().first { incarnation in
            incarnation.cluster == cluster && incarnation.bucket == bucket.name
                && incarnation.created == bucket.info.created
        }
        let known = try same ?? writer.latestIncarnation(cluster: cluster, bucket: bucket.name)
        let knownCheckpoint = try known.flatMap { try writer.checkpoint($0.id) }
        let plan = CapturePlan(
            created: bucket.info.created,
            lastRevision: bucket.info.state.lastSequence,
            known: known.map { ($0.created, knownCheckpoint?.resumeRevision ?? 0) }
        )
        if case .regressed(let from, let to) = plan { throw regressed(from: from, to: to) }
        let filter = try checkedFilter(known)
        let incarnation = try writer.incarnation(
            cluster: cluster,
            bucket: bucket.name,
            created: bucket.info.created,
            filter: filter
        )
        let checkpoint = try writer.checkpoint(incarnation.id)
        let from = checkpoint?.resumeRevision ?? 0
        try await checkSameHistory(incarnation, after: from)
        if options.recordsConfiguration {
            try writer.recordConfiguration(
                incarnation.id,
                json: bucket.info.configurationText,
                revision: from,
                time: bucket.info.serverTime ?? .wallClock()
            )
        }
        let run = try writer.beginRun(kind: "backup", incarnation: incarnation.id, fromRevision: from, at: .wallClock())
        var session = CaptureSession(
            bucket: bucket,
            writer: writer,
            incarnation: incarnation,
            checkpoint: checkpoint,
            options: options,
            progress: progress
        )
        do {
            let outcome = try await session.run()
            let report = session.report(outcome, plan)
            try writer.finishRun(
                run,
                outcome: outcome == .stopped ? .stopped : .succeeded,
                toRevision: report.resumeRevision,
                entries: Int(report.entries),
                bytes: Int(report.bytes),
                at: .wallClock()
            )
            return report
        } catch {
            try writer.finishRun(
                run,
                outcome: .failed,
                toRevision: session.committer.committedRevision,
                entries: Int(session.received.entries),
                bytes: Int(session.received.bytes),
                error: String(describing: error),
                at: .wallClock()
            )
            throw error
        }
    }

    /// The filter in its canonical form, if it can be counted by and is the one that the archive has.
    private func checkedFilter(_ known: Incarnation?) throws -> [KeyPattern] {
        let filter = KeyPattern.canonical(options.filter)
        guard KeyPattern.countingTerms(filter) != nil else {
            throw ReplicationError(
                .unsupported,
                bucket: bucket.name.rawValue,
                text: "too many of the patterns to keep have keys in common, and servers count such keys twice",
                hint: "choose fewer patterns, or some that have no keys in common"
            )
        }
        guard let known, known.created == bucket.info.created, known.filter != filter else { return filter }
        let options = known.filter.map { "--filter '\($0)'" }.joined(separator: " ")
        throw ReplicationError(
            .otherKeys,
            bucket: bucket.name.rawValue,
            text: known.filter.isEmpty
                ? "the archive holds all its keys, and a backup of some would leave holes in that"
                : "the archive holds only the keys of \(known.filter.map(\.description).joined(separator: " and "))",
            hint: known.filter.isEmpty
                ? "leave --filter out, or give another archive" : "give the same \(options), or another archive"
        )
    }

    /// Compares the newest archived entry with the server's: after a lost tail was written over, the sequence says
    /// nothing, the entry does.
    private func checkSameHistory(_ incarnation: Incarnation, after revision: Revision) async throws {
        guard revision > 0, let archived = try writer.lastEntry(incarnation.id) else { return }
        let stream = bucket.name.streamName
        guard let live = try await bucket.context.message(stream, at: archived.revision) else { return }
        let subject = Array(bucket.subjectPrefix.utf8) + archived.key.bytes
        guard live.subject != subject || live.time != archived.time else { return }
        throw ReplicationError(
            .sourceDiverged,
            bucket: bucket.name.rawValue,
            text: "revision \(archived.revision) is another entry on the server than in the archive: the server lost "
                + "acknowledged writes and numbered new ones the same",
            hint: "the archive keeps what was lost; back the bucket up into a new archive and compare the two"
        )
    }

    private func regressed(from: Revision, to: Revision) -> ReplicationError {
        ReplicationError(
            .sourceRegressed,
            bucket: bucket.name.rawValue,
            text: "the server's last revision is \(to), but the archive holds revisions up to \(from) of the same "
                + "bucket: the server lost acknowledged writes",
            hint: "the archive keeps them and was not changed; restore it under another name with --as and compare, "
                + "then back up into a new archive"
        )
    }
}
