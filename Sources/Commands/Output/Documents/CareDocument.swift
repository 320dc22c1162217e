import Archive
import KVModel
import Schedule

/// A compaction in `--json` output.
struct CompactionDocument: Encodable, Sendable {
    /// Of one bucket.
    struct Bucket: Encodable, Sendable {
        var cluster: String
        var bucket: String
        var created: String
        var segmentsBefore: Int
        var segmentsAfter: Int
        var droppedEntries: Int
        var droppedBytes: Int
    }

    var archive: String
    var isDryRun: Bool
    var buckets: [Bucket]
    var freeBytes: Int
    var fileBytesBefore: Int
    var fileBytesAfter: Int
    var awaitsReaders: Bool

    init(_ file: String, _ report: CompactionReport, isDryRun: Bool) {
        archive = file
        self.isDryRun = isDryRun
        buckets = report.buckets.map { bucket in
            Bucket(
                cluster: bucket.incarnation.cluster,
                bucket: bucket.incarnation.bucket.rawValue,
                created: bucket.incarnation.created,
                segmentsBefore: bucket.segmentsBefore,
                segmentsAfter: bucket.segmentsAfter,
                droppedEntries: bucket.droppedEntries,
                droppedBytes: bucket.droppedBytes
            )
        }
        freeBytes = report.freeBytes
        fileBytesBefore = report.sizeBefore
        fileBytesAfter = report.sizeAfter
        awaitsReaders = report.awaitsReaders
    }
}

/// A prune in `--json` output.
struct PruneDocument: Encodable, Sendable {
    /// A point, and what becomes of it.
    struct Point: Encodable, Sendable {
        var revision: Revision
        var time: String
        var kept: Bool
        var reasons: [String]
        var tags: [String]
    }

    /// Of one bucket.
    struct Bucket: Encodable, Sendable {
        var cluster: String
        var bucket: String
        var created: String
        var points: [Point]
        var droppedPoints: Int
        var droppedTags: [String]
        var exactFrom: Revision
        var entries: Int
        var droppedEntries: Int
        var bytes: Int
        var droppedBytes: Int
    }

    var archive: String
    var isDryRun: Bool
    var buckets: [Bucket]
    var fileBytesBefore: Int?
    var fileBytesAfter: Int?
    var awaitsReaders: Bool?

    init(_ file: String, _ report: PruneReport, isDryRun: Bool) {
        archive = file
        self.isDryRun = isDryRun
        buckets = report.buckets.map { bucket in
            Bucket(
                cluster: bucket.incarnation.cluster,
                bucket: bucket.incarnation.bucket.rawValue,
                created: bucket.incarnation.created,
                points: bucket.points.map { point in
                    Point(
                        revision: point.point.revision,
                        time: point.point.time.description,
                        kept: point.isKept,
                        reasons: point.reasons.map(\.rawValue).sorted(),
                        tags: point.tags
                    )
                },
                droppedPoints: bucket.droppedPoints.count,
                droppedTags: bucket.droppedTags.map(\.name),
                exactFrom: bucket.exactFrom,
                entries: bucket.entries,
                droppedEntries: bucket.droppedEntries,
                bytes: bucket.bytes,
                droppedBytes: bucket.droppedBytes
            )
        }
        fileBytesBefore = report.compaction?.sizeBefore
        fileBytesAfter = report.compaction?.sizeAfter
        awaitsReaders = report.compaction?.awaitsReaders
    }
}
