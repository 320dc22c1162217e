import KVModel
import Replication

/// A run of a mirror in `--json` output.
struct MirrorDocument: Encodable, Sendable {
    /// `mirror`.
    var kind = "mirror"
    var source: String
    var sourceCluster: String
    var target: String
    var targetCluster: String
    /// `caught-up`, `not-caught-up` or `stopped`.
    var outcome: String
    var isTargetNew: Bool
    var fromRevision: Revision
    var resumeRevision: Revision
    var entriesWritten: UInt64
    var bytesWritten: UInt64
    /// Entries that the target had already.
    var skipped: UInt64
    /// Entries that are not for the target.
    var filtered: UInt64
    var expired: UInt64
    /// Entries that newer ones would have pushed out of the target at once.
    var superseded: UInt64
    /// Whether the target was made equal to another life of the source.
    var resynced: Bool
    /// Keys that were removed then.
    var removed: UInt64
    var foreignChanges: UInt64
    var interruptions: Int
    var durationSeconds: Double
    /// What `--reconcile` found after the target had caught up.
    var reconciliation: ReconciliationDocument?

    init(_ report: MirrorReport, _ found: ReconciliationReport?) {
        source = report.source.rawValue
        sourceCluster = report.sourceCluster
        target = report.target.rawValue
        targetCluster = report.targetCluster
        outcome =
            switch report.outcome {
            case .caughtUp: "caught-up"
            case .notCaughtUp: "not-caught-up"
            case .stopped: "stopped"
            }
        isTargetNew = report.isTargetNew
        fromRevision = report.fromRevision
        resumeRevision = report.resumeRevision
        entriesWritten = report.written
        bytesWritten = report.bytes
        skipped = report.skipped
        filtered = report.filtered
        expired = report.expired
        superseded = report.superseded
        resynced = report.resynced
        removed = report.removed
        foreignChanges = report.foreignChanges
        interruptions = report.interruptions
        durationSeconds = report.duration.milliseconds
        reconciliation = found.map { ReconciliationDocument($0) }
    }
}

/// How far a mirror is, in the `--json` output of one that runs on.
struct MirrorProgressDocument: Encodable, Sendable {
    /// `progress`.
    var kind = "progress"
    var target: String
    /// `syncing` or `live`.
    var phase: String
    var entriesWritten: UInt64
    var bytesWritten: UInt64
    var lagEntries: UInt64
    var lagSeconds: Double
    var resumeRevision: Revision
    var interruptions: Int
    var foreignChanges: UInt64

    init(_ state: MirrorProgress, of target: BucketName) {
        self.target = target.rawValue
        phase = state.phase.rawValue
        entriesWritten = state.entries
        bytesWritten = state.bytes
        lagEntries = state.lagEntries
        lagSeconds = state.lagTime.milliseconds
        resumeRevision = state.resumeRevision
        interruptions = state.interruptions
        foreignChanges = state.foreignChanges
    }
}

/// A comparison of a mirror's two buckets in `--json` output.
struct ReconciliationDocument: Encodable, Sendable {
    /// One key that differs, or that others wrote.
    struct Finding: Encodable, Sendable {
        /// `missing`, `different`, `leftover`, `foreign` or `additional`.
        var kind: String
        var key: String
        var keyBase64: String?
        var sourceRevision: Revision?
        var targetRevision: Revision?
        var isRepaired: Bool
        var obstacle: String?
    }

    /// `reconciliation`.
    var kind = "reconciliation"
    var source: String
    var sourceCluster: String
    var target: String
    var targetCluster: String
    /// The source's last revision when the comparison began.
    var revision: Revision
    /// Whether nothing differs, or everything that did was repaired.
    var isEqual: Bool
    var equal: UInt64
    var differences: UInt64
    var missing: UInt64
    var different: UInt64
    var leftover: UInt64
    var foreign: UInt64
    var repaired: UInt64
    /// Keys of others that the source does not have: no differences.
    var additional: UInt64
    var newer: UInt64
    var pending: UInt64
    var expired: UInt64
    var examples: [Finding]
    var durationSeconds: Double

    init(_ report: ReconciliationReport) {
        source = report.source.rawValue
        sourceCluster = report.sourceCluster
        target = report.target.rawValue
        targetCluster = report.targetCluster
        revision = report.revision
        isEqual = report.isEqual
        equal = report.equal
        differences = report.differences
        missing = report.missing
        different = report.different
        leftover = report.leftover
        foreign = report.foreign
        repaired = report.repaired
        additional = report.additional
        newer = report.newer
        pending = report.pending
        expired = report.expired
        examples = report.examples.map { finding in
            Finding(
                kind: finding.kind.rawValue,
                key: finding.key.description,
                keyBase64: TextOrBytes(finding.key.bytes).base64,
                sourceRevision: finding.sourceRevision,
                targetRevision: finding.targetRevision,
                isRepaired: finding.isRepaired,
                obstacle: finding.obstacle
            )
        }
        durationSeconds = report.duration.milliseconds
    }
}
