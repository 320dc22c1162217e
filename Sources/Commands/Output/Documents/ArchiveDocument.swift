import Archive
import Foundation
import KVModel

/// An archive in `--json` output of `list` and `show`.
struct ArchiveDocument: Encodable, Sendable {
    /// One life of a bucket.
    struct Bucket: Encodable, Sendable {
        var cluster: String
        var bucket: String
        var created: String
        /// The keys that are captured, as patterns; absent if every key is.
        var filter: [String]?
        var segments: Int
        var entries: Int
        var firstRevision: Revision?
        var lastRevision: Revision?
        var firstTime: String?
        var lastTime: String?
        var rawBytes: Int
        var storedBytes: Int
        var resumeRevision: Revision?
        var consistentRevision: Revision?
        var consistentTime: String?
        var checkpointTime: String?
        /// From which revision on every state can be read; absent if from the first.
        var exactFrom: Revision?
        var tags: [Tag]
        var configurations: [Configuration]?
        var segmentList: [Segment]?
        var points: [Point]?
    }

    /// How an archive is encrypted.
    struct Encryption: Encodable, Sendable {
        var opensWith: String
        var isComplete: Bool
    }

    /// A named revision.
    struct Tag: Encodable, Sendable {
        var name: String
        var revision: Revision
        var note: String?
        var created: String
    }

    /// A bucket's configuration as it was observed.
    struct Configuration: Encodable, Sendable {
        var fromRevision: Revision
        var observed: String
        var stream: JSONValue
    }

    /// A consistent point.
    struct Point: Encodable, Sendable {
        var revision: Revision
        var time: String
        /// Of a point before `exact_from`, which a prune kept: how many entries the bucket held.
        var heldEntries: Int?
    }

    /// A segment.
    struct Segment: Encodable, Sendable {
        var ordinal: Int
        var firstRevision: Revision
        var lastRevision: Revision
        var firstTime: String
        var lastTime: String
        var entries: Int
        var rawBytes: Int
        var storedBytes: Int
        var digest: String
    }

    /// A run.
    struct Run: Encodable, Sendable {
        var id: Int64
        var kind: String
        var bucket: String?
        var started: String
        var finished: String?
        var fromRevision: Revision?
        var toRevision: Revision?
        var entries: Int
        var bytes: Int
        var outcome: String
        var error: String?
    }

    var archive: String
    var format: Int
    var fileBytes: Int
    var encryption: Encryption?
    var buckets: [Bucket]
    var runs: [Run]?
}

extension ArchiveDocument {
    /// What a summary says, without what has to be asked for.
    init(_ summary: ArchiveSummary) {
        archive = summary.path
        format = summary.format
        fileBytes = summary.fileSize
        encryption = summary.encryption.map { Encryption(opensWith: $0.kind.rawValue, isComplete: $0.isComplete) }
        buckets = summary.buckets.map(Bucket.init)
    }
}

extension ArchiveDocument.Bucket {
    init(_ summary: ArchiveSummary.Bucket) {
        cluster = summary.incarnation.cluster
        bucket = summary.incarnation.bucket.rawValue
        created = summary.incarnation.created
        filter = FilterText.list(summary.incarnation.filter)
        segments = summary.segments
        entries = summary.entries
        firstRevision = summary.firstRevision
        lastRevision = summary.lastRevision
        firstTime = summary.firstTime?.description
        lastTime = summary.lastTime?.description
        rawBytes = summary.rawBytes
        storedBytes = summary.storedBytes
        resumeRevision = summary.checkpoint?.resumeRevision
        consistentRevision = summary.checkpoint?.consistentRevision
        consistentTime = summary.checkpoint?.consistentTime?.description
        checkpointTime = summary.checkpoint?.updated.description
        exactFrom = summary.exactFrom > 0 ? summary.exactFrom : nil
        tags = summary.tags.map { tag in
            ArchiveDocument.Tag(
                name: tag.name,
                revision: tag.revision,
                note: tag.note.isEmpty ? nil : tag.note,
                created: tag.created.description
            )
        }
    }
}

extension ArchiveDocument.Configuration {
    init(_ record: ConfigurationRecord) throws {
        fromRevision = record.revision
        observed = record.time.description
        stream = try JSONDecoder().decode(JSONValue.self, from: Data(record.json.utf8))
    }
}

extension ArchiveDocument.Point {
    init(_ summary: PointSummary) {
        revision = summary.point.revision
        time = summary.point.time.description
        heldEntries = summary.heldEntries
    }
}

extension ArchiveDocument.Segment {
    init(_ segment: SegmentSummary) {
        ordinal = segment.ordinal
        firstRevision = segment.revisions.lowerBound
        lastRevision = segment.revisions.upperBound
        firstTime = segment.firstTime.description
        lastTime = segment.lastTime.description
        entries = segment.entries
        rawBytes = segment.rawBytes
        storedBytes = segment.storedBytes
        digest = segment.digest
    }
}

extension ArchiveDocument.Run {
    init(_ run: ArchiveRun, of incarnations: [Incarnation]) {
        id = run.id.rawValue
        kind = run.kind
        bucket = incarnations.first { $0.id == run.incarnation }.map { "\($0.cluster)/\($0.bucket)" }
        started = run.started.description
        finished = run.finished?.description
        fromRevision = run.fromRevision
        toRevision = run.toRevision
        entries = run.entries
        bytes = run.bytes
        outcome = run.outcome.rawValue
        error = run.error
    }
}
