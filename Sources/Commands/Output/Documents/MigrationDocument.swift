import Archive
import KVModel
import Replication

/// A migration, planned or done, in `--json` output.
struct MigrationDocument: Encodable, Sendable {
    var bucket: String
    var isPlan = false
    /// `changed-in-place`, `migrated` or `rolled-back`; absent of a plan.
    var outcome: String?
    var plan: SettingsPlanDocument?
    var consumers: Int?
    /// Streams that mirror the bucket or have it as a source.
    var dependents: [String]?
    /// Whether the new bucket takes writes before it is whole, which would stop the migration.
    var admitsWriters: Bool?
    /// For how long writers were kept out.
    var pauseSeconds: Double?
    var finalRevision: Revision?
    var tag: String?
    /// When the life was created in which the archive holds what others wrote into the bucket before it was whole.
    var strays: String?
    var restore: RestoreDocument?

    /// What would be done.
    init(_ plan: MigrationPlan) {
        bucket = plan.bucket.rawValue
        isPlan = true
        self.plan = SettingsPlanDocument(plan.settings)
        consumers = plan.consumers
        dependents = plan.dependents
        admitsWriters = plan.admitsWriters
    }

    /// What was done.
    init(_ report: MigrationReport) {
        bucket = report.bucket.rawValue
        outcome = report.outcome.rawValue
        pauseSeconds = report.pause.map(\.milliseconds)
        finalRevision = report.finalRevision
        tag = report.tag
        strays = report.strays?.created
        restore = report.restore.map { RestoreDocument($0) }
    }
}
