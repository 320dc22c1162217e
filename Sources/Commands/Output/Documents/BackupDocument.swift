import Archive
import KVModel
import Replication

/// The backup of one bucket in `--json` output.
struct BackupDocument: Encodable, Sendable {
    var bucket: String
    var cluster: String?
    var created: String?
    /// The keys that are captured, as patterns; absent if every key is.
    var filter: [String]?
    /// `complete`, `stopped`, `no-consistent-revision` or `failed`.
    var outcome: String
    /// `first`, `resumed` or `recreated`.
    var plan: String?
    var previousIncarnation: String?
    var fromRevision: Revision?
    var resumeRevision: Revision?
    var consistentRevision: Revision?
    var keys: Int?
    var entries: Int?
    var digest: String?
    var entriesRead: UInt64?
    var bytesRead: UInt64?
    var segmentsWritten: Int?
    var removals: Int?
    /// Whether the bucket counts other entries than the archive does, and nothing explains it.
    var unexplained: Bool?
    var interruptions: Int?
    var durationSeconds: Double?
    var tag: String?
    var verification: ComparisonDocument?
    var error: ErrorDocument?

    /// What was done with a bucket.
    init(_ result: BackupResult) {
        let report = result.report
        bucket = report.bucket.rawValue
        cluster = report.cluster
        created = report.created
        filter = FilterText.list(report.filter)
        outcome =
            switch report.outcome {
            case .complete: "complete"
            case .stopped: "stopped"
            case .noConsistentRevision: "no-consistent-revision"
            }
        switch report.plan {
        case .first: plan = "first"
        case .resume: plan = "resumed"
        case .recreated(let previously):
            plan = "recreated"
            previousIncarnation = previously
        case .regressed: plan = "regressed"
        }
        fromRevision = report.fromRevision
        resumeRevision = report.resumeRevision
        consistentRevision = report.consistentRevision
        keys = result.held?.keys
        entries = result.held?.entries
        digest = result.digest
        entriesRead = report.entries
        bytesRead = report.bytes
        segmentsWritten = report.segments
        removals = report.removals
        unexplained = report.isUnexplained
        interruptions = report.interruptions
        durationSeconds = report.duration.milliseconds
        tag = result.tag
        verification = result.comparison.map { ComparisonDocument($0) }
        error = result.failure.map { ErrorDocument($0) }
    }

    /// A bucket that could not be backed up.
    init(bucket: BucketName, failure: Failure) {
        self.bucket = bucket.rawValue
        outcome = "failed"
        error = ErrorDocument(failure)
    }
}

/// What failed, in `--json` output.
struct ErrorDocument: Encodable, Hashable, Sendable {
    var message: String
    var hint: String?
    var exitCode: Int32

    init(_ failure: Failure) {
        message = failure.message
        hint = failure.hint
        exitCode = failure.status.rawValue
    }
}

/// A comparison with a live bucket in `--json` output.
struct ComparisonDocument: Encodable, Sendable {
    /// One entry that differs.
    struct Difference: Encodable, Sendable {
        var kind: String
        var key: String
        var keyBase64: String?
        var revision: Revision
        var what: [String]?
    }

    var bucket: String?
    var revision: Revision
    var isEqual: Bool
    var equal: UInt64
    var differences: UInt64
    var examples: [Difference]
    var superseded: UInt64
    var expired: UInt64
    var newer: UInt64
    var isUnfinishedRestore: Bool
    var comparesRevisions: Bool

    init(_ report: ComparisonReport, bucket: BucketName? = nil) {
        self.bucket = bucket?.rawValue
        revision = report.revision
        isEqual = report.isEqual
        equal = report.equal
        differences = report.differences
        examples = report.examples.map { example in
            Difference(
                kind: example.kind.rawValue,
                key: example.key.description,
                keyBase64: TextOrBytes(example.key.bytes).base64,
                revision: example.revision,
                what: example.what.isEmpty ? nil : example.what
            )
        }
        superseded = report.superseded
        expired = report.expired
        newer = report.newer
        isUnfinishedRestore = report.isUnfinishedRestore
        comparesRevisions = report.comparesRevisions
    }
}
