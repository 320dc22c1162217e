public import Archive
import Foundation
import KVModel
import StreamSnapshot

/// Brings a folder of `nats stream backup` into an archive, as an incarnation of its own.
///
/// The backup is read twice: first it is checked to its last byte, and what the server had deleted is found; only then
/// is anything written. Segments and checkpoints are committed as in a capture, so an import that was killed goes on
/// after the last of them when it is run again; one that is there already is left as it is.
///
/// It blocks on the disk: call it on a thread that may. Cancelling its task stops it at a checkpoint.
public struct SnapshotImport: Sendable {
    /// How to import.
    public struct Options: Sendable {
        /// The cluster's name in the archive: a backup does not say where it was made.
        public var clusterName = "imported"
        /// Whether to take a backup that lacks entries which the server had when it was made.
        ///
        /// Servers from 2.15 on leave out keys that are written to while they make one.
        public var acceptsIncomplete = false
        /// The raw bytes of a segment at which it is committed.
        public var segmentBytes = 4 << 20

        /// The defaults.
        public init() {}
    }

    private let folder: BackupFolder
    private let writer: ArchiveWriter
    private let options: Options
    private let progress: @Sendable (SnapshotProgress) -> Void

    /// An import of a folder into an archive; `progress` is called after every piece read.
    public init(
        folder: String,
        into writer: ArchiveWriter,
        options: Options = Options(),
        progress: @escaping @Sendable (SnapshotProgress) -> Void = { _ in }
    ) {
        self.folder = BackupFolder(path: folder)
        self.writer = writer
        self.options = options
        self.progress = progress
    }

    /// Imports.
    public func run() throws -> SnapshotImportReport {
        let clock = ContinuousClock()
        let started = clock.now
        let metadata = try folder.metadata()
        let bucket = try bucket(metadata)
        let checked = try check(metadata, bucket)
        // The entries format says nothing of the stream's creation: then the first entry's time tells one life from
        // another, and is the same whenever the backup is read.
        let created =
            checked.contents.created ?? (metadata.state.firstTime ?? metadata.state.lastTime)?.description
            ?? Timestamp(nanoseconds: 0).description
        let incarnation = try writer.incarnation(cluster: options.clusterName, bucket: bucket, created: created)
        let before = try writer.checkpoint(incarnation.id)
        var report = SnapshotImportReport(
            incarnation: incarnation,
            format: checked.contents.format,
            revision: checked.last,
            entries: 0,
            written: 0,
            resumed: 0,
            bytes: 0,
            missing: checked.missing,
            duration: .zero
        )
        if let consistent = before?.consistentRevision {
            guard consistent == checked.last, before?.resumeRevision == checked.last else {
                throw known(incarnation, upTo: before?.resumeRevision ?? consistent)
            }
        }
        let run = try writer.beginRun(
            kind: "import",
            incarnation: incarnation.id,
            fromRevision: before?.resumeRevision ?? 0,
            at: .wallClock()
        )
        do {
            try write(metadata, checked, incarnation, before, &report)
        } catch {
            try writer.finishRun(
                run,
                outcome: error is CancellationError ? .stopped : .failed,
                entries: Int(report.written),
                bytes: Int(report.bytes),
                error: error is CancellationError ? nil : String(describing: error),
                at: .wallClock()
            )
            throw error
        }
        try writer.finishRun(
            run,
            outcome: .succeeded,
            toRevision: checked.last,
            entries: Int(report.written),
            bytes: Int(report.bytes),
            at: .wallClock()
        )
        report.duration = started.duration(to: clock.now)
        return report
    }

    /// What the first reading found.
    private struct Checked {
        var contents: SnapshotContents
        var last: Revision
        var lastTime: Timestamp
        var missing: UInt64
    }

    private func bucket(_ metadata: BackupMetadata) throws -> BucketName {
        let stream = metadata.configuration["name"]?.string ?? ""
        guard let name = BucketName(streamName: stream) else {
            throw folder.failure("stream \(stream) is not a bucket", "buckets are streams named KV_ and a name")
        }
        return name
    }

    private func check(_ metadata: BackupMetadata, _ bucket: BucketName) throws -> Checked {
        let prefix = Array(bucket.subjectPrefix.utf8)
        var state = SnapshotProgress(phase: .checking, total: metadata.state.messages)
        var latest = metadata.state.lastTime
        var count: UInt64 = 0
        let contents = try folder.read(
            excluding: DeletedSequences(),
            progress: { read in
                (state.bytes, state.entries) = (read, count)
                progress(state)
            },
            { entry in
                count += 1
                latest = max(latest ?? entry.time, entry.time)
                guard entry.subject.count > prefix.count, entry.subject.starts(with: prefix) else {
                    let subject = Key(bytes: Array(entry.subject)).description
                    throw folder.failure(
                        "message \(entry.sequence) has the subject \(subject), which does not lie in \(bucket)",
                        "only buckets whose entries are all their own can be imported, not mirrors of others"
                    )
                }
            }
        )
        if let name = contents.configuration?["name"]?.string, name != bucket.streamName {
            throw folder.failure(
                "backup.json is of stream \(bucket.streamName), the snapshot of stream \(name)",
                "put each backup into a folder of its own"
            )
        }
        let last = max(contents.totals.lastSequence, metadata.state.lastSequence)
        let lacks = contents.deleted.isEmpty && last == metadata.state.lastSequence
        let missing = lacks && count < metadata.state.messages ? metadata.state.messages - count : 0
        guard missing == 0 || options.acceptsIncomplete else {
            throw ReplicationError(
                .sourceDiverged,
                bucket: bucket.rawValue,
                text: "the backup lacks \(missing) of \(metadata.state.messages) entries: it was made while the bucket "
                    + "was written to",
                hint: "make a new one while nobody writes, or accept it as it is"
            )
        }
        return Checked(
            contents: contents,
            last: last,
            lastTime: latest ?? Timestamp(rfc3339: contents.created ?? "") ?? .wallClock(),
            missing: missing
        )
    }

    private func write(
        _ metadata: BackupMetadata,
        _ checked: Checked,
        _ incarnation: Incarnation,
        _ before: Checkpoint?,
        _ report: inout SnapshotImportReport
    ) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let json = String(decoding: try encoder.encode(metadata.configuration), as: UTF8.self)
        let archived = try writer.lastEntry(incarnation.id)
        try confirm(archived, incarnation, checked)
        try writer.recordConfiguration(incarnation.id, json: json, revision: 0, time: checked.lastTime)
        let resume = before?.resumeRevision ?? 0
        let prefix = incarnation.bucket.subjectPrefix.utf8.count
        var builder = SegmentBuilder(limits: .init(rawBytes: options.segmentBytes))
        var state = SnapshotProgress(phase: .writing, total: checked.contents.totals.messages)
        var counts = report
        _ = try folder.read(
            excluding: checked.contents.deleted,
            progress: { read in
                (state.bytes, state.entries) = (read, counts.entries)
                progress(state)
            },
            { entry in
                counts.entries += 1
                guard entry.sequence > resume else {
                    counts.resumed += 1
                    return
                }
                if builder.isFull { try commit(&builder, incarnation, metadata) }
                let view = Self.view(entry, prefix)
                try builder.append(view)
                counts.written += 1
                counts.bytes += UInt64(view.key.count + view.headers.count + view.value.count)
                report = counts
            }
        )
        report = counts
        guard before?.consistentRevision == nil else { return }
        try commit(&builder, incarnation, metadata, end: checked)
    }

    private static func view(_ entry: SnapshotEntry, _ prefix: Int) -> EntryView {
        EntryView(
            revision: entry.sequence,
            time: entry.time,
            operation: KVModel.Operation(headers: entry.headers),
            key: UnsafeRawBufferPointer(rebasing: entry.subject[prefix...]),
            headers: entry.headers,
            value: entry.value
        )
    }

    private func commit(
        _ builder: inout SegmentBuilder,
        _ incarnation: Incarnation,
        _ metadata: BackupMetadata,
        end: Checked? = nil
    ) throws {
        let full = builder
        builder = SegmentBuilder(limits: .init(rawBytes: options.segmentBytes))
        let state = metadata.state
        let checkpoint = Checkpoint(
            resumeRevision: end?.last ?? full.lastRevision ?? 0,
            consistentRevision: end?.last,
            consistentTime: end?.lastTime,
            sourceState: Checkpoint.SourceState(
                messages: state.messages,
                bytes: state.bytes,
                firstSequence: state.firstSequence,
                lastSequence: state.lastSequence
            ),
            updated: .wallClock()
        )
        try writer.commit(full.isEmpty ? [] : [try full.encode()], incarnation.id, checkpoint: checkpoint)
    }

    /// Checks that what the archive holds of the incarnation came from this backup.
    private func confirm(
        _ archived: (revision: Revision, time: Timestamp, key: Key)?,
        _ incarnation: Incarnation,
        _ checked: Checked
    ) throws {
        guard let archived else { return }
        let subject = Array(incarnation.bucket.subjectPrefix.utf8) + archived.key.bytes
        var isSame = false
        _ = try folder.read(
            excluding: checked.contents.deleted,
            progress: { _ in },
            { entry in
                guard entry.sequence == archived.revision else { return }
                isSame = entry.time == archived.time && entry.subject.elementsEqual(subject)
            }
        )
        guard isSame else { throw known(incarnation, upTo: archived.revision) }
    }

    private func known(_ incarnation: Incarnation, upTo revision: Revision) -> ReplicationError {
        ReplicationError(
            .targetExists,
            bucket: incarnation.bucket.rawValue,
            text: "the archive holds the incarnation of \(incarnation.created) on \(incarnation.cluster) already, from "
                + "another source, up to revision \(revision)",
            hint: "import under another cluster name, or into a new archive"
        )
    }
}
