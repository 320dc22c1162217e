public import Archive
import JetStream
public import KVModel
public import KeyValue

/// Copies a bucket into another one, once: a capture into an archive for the time being, and a restore from that.
///
/// So a copy is as consistent as a backup, and written as a restore writes. The caller makes and removes the archive.
public struct BucketCopy: Sendable {
    private let bucket: Bucket
    private let writer: ArchiveWriter
    private let options: RestoreOptions
    private let progress: @Sendable (CaptureProgress) -> Void

    /// A copy of a bucket by way of an archive that holds nothing else.
    public init(
        of bucket: Bucket,
        by writer: ArchiveWriter,
        options: RestoreOptions,
        progress: @escaping @Sendable (CaptureProgress) -> Void = { _ in }
    ) {
        self.bucket = bucket
        self.writer = writer
        self.options = options
        self.progress = progress
    }

    /// Captures the bucket to a consistent revision; answers what restores it, and from where.
    ///
    /// Only keys of the options' filter are read.
    public func capture() async throws -> (reader: ArchiveReader, incarnation: Incarnation, options: RestoreOptions) {
        guard RestoreMarker(bucket.configuration) == nil else {
            throw ReplicationError(
                .unsupported,
                bucket: bucket.name.rawValue,
                text: "it is an unfinished restore",
                hint: "finish that restore first"
            )
        }
        var capture = Capture.Options()
        capture.filter = options.filter
        capture.bytesPerSecond = options.bytesPerSecond
        capture.patience = options.patience
        let report = try await Capture(bucket, into: writer, options: capture, progress: progress).run()
        try Task.checkCancellation()
        guard report.outcome == .complete, let revision = report.consistentRevision else {
            throw ReplicationError(
                .targetBusy,
                bucket: bucket.name.rawValue,
                text: "no consistent revision was found: it was written to all the time",
                hint: "nothing was copied; try again when there are fewer writes"
            )
        }
        let reader = try writer.reader()
        guard let incarnation = try reader.latestIncarnation(bucket: bucket.name) else {
            throw ReplicationError(
                .nothingToRestore,
                bucket: bucket.name.rawValue,
                text: "nothing was captured of it",
                hint: "try again"
            )
        }
        var restore = options
        restore.bucket = bucket.name
        restore.point = .revision(revision)
        return (reader, incarnation, restore)
    }

    /// Refuses a target that is the source itself.
    public func refuseItself(_ buckets: Buckets, _ name: BucketName) async throws {
        guard name == bucket.name else { return }
        let target: Bucket
        do {
            target = try await buckets.bucket(name)
        } catch let error as KeyValueError where error.code == .bucketNotFound {
            return
        }
        guard target.info.created == bucket.info.created, target.clusterName == bucket.clusterName else { return }
        throw ReplicationError(
            .sameBucket,
            bucket: name.rawValue,
            text: "source and target are the same bucket",
            hint: "name another target; `cistern migrate` gives a bucket other settings"
        )
    }
}
