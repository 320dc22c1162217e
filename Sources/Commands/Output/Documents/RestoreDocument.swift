import Archive
import KVModel
import Replication

/// A restore, planned or done, in `--json` output.
struct RestoreDocument: Encodable, Sendable {
    /// Where the entries come from.
    struct Source: Encodable, Sendable {
        var cluster: String
        var bucket: String
        var created: String
        /// The keys that were captured, as patterns; absent if every key was.
        var filter: [String]?
        var revision: Revision
    }

    /// A setting that differs from the archived one.
    struct Change: Encodable, Sendable {
        var setting: String
        var field: String
        var old: JSONValue?
        var new: JSONValue?
    }

    /// What a merge did, or would do, key by key.
    struct Merge: Encodable, Sendable {
        /// A key that has something newer in the bucket.
        struct Newer: Encodable, Sendable {
            var key: String
            var keyBase64: String?
            var archivedRevision: Revision
            var archivedTime: String
            var revision: Revision
            var time: String
            var isDeleted: Bool
        }

        var keys: UInt64
        var written: UInt64
        var deleted: UInt64
        var overwritten: UInt64
        var equal: UInt64
        var kept: UInt64
        var expired: UInt64
        var contested: UInt64
        /// The first keys that have something newer in the bucket.
        var newer: [Newer]

        init(_ merge: MergeReport) {
            keys = merge.keys
            written = merge.written
            deleted = merge.deleted
            overwritten = merge.overwritten
            equal = merge.equal
            kept = merge.kept
            expired = merge.expired
            contested = merge.contested
            newer = merge.examples.map { example in
                Newer(
                    key: example.key.description,
                    keyBase64: TextOrBytes(example.key.bytes).base64,
                    archivedRevision: example.archivedRevision,
                    archivedTime: example.archivedTime.description,
                    revision: example.revision,
                    time: example.time.description,
                    isDeleted: example.isDeleted
                )
            }
        }
    }

    /// The backup of a bucket that was replaced.
    struct Safety: Encodable, Sendable {
        var archive: String
        var tag: String?
        var revision: Revision?
        var entries: UInt64?
        /// What brings the bucket back.
        var command: String?
    }

    var bucket: String
    var isDryRun: Bool
    var source: Source
    /// `create`, `replace`, `fill`, `merge`, `resume` or `restart`.
    var action: String
    var mode: String
    var modeReason: String
    var changes: [Change]
    var leftOut: [String]
    /// The rules that give keys other names, each `SOURCE=TARGET`; absent if there are none.
    var mapping: [String]?
    var entries: UInt64
    var keys: Int?
    var bytes: Int?
    /// Of a dry run: what the server does about the settings, what is lost, and how long it may take.
    var plan: SettingsPlanDocument?
    var written: UInt64?
    var resumed: UInt64?
    var expired: UInt64?
    var beyondHistory: UInt64?
    var interruptions: Int?
    var durationSeconds: Double?
    var verification: ComparisonDocument?
    /// Absent unless entries are merged into a bucket that holds some.
    var merge: Merge?
    /// Absent unless a bucket is deleted, and backed up before.
    var safetyBackup: Safety?

    /// What would be done.
    init(
        _ prepared: Restore.Prepared,
        _ settings: SettingsPlan,
        _ merge: MergeReport? = nil,
        safetyBackup: String? = nil
    ) {
        self.init(prepared.plan, prepared.mode, prepared.modeReason)
        isDryRun = true
        let incarnation = prepared.incarnation
        source = Source(
            cluster: incarnation.cluster,
            bucket: incarnation.bucket.rawValue,
            created: incarnation.created,
            filter: FilterText.list(incarnation.filter),
            revision: prepared.revision
        )
        entries = UInt64(clamping: prepared.state.entries)
        keys = prepared.state.keys
        bytes = prepared.state.bytes
        plan = SettingsPlanDocument(settings)
        self.merge = merge.map(Merge.init)
        self.safetyBackup = safetyBackup.map { Safety(archive: $0) }
    }

    /// What was done.
    init(_ report: RestoreReport) {
        self.init(report.plan, report.mode, report.modeReason)
        source = Source(
            cluster: report.incarnation.cluster,
            bucket: report.incarnation.bucket.rawValue,
            created: report.incarnation.created,
            filter: FilterText.list(report.incarnation.filter),
            revision: report.revision
        )
        entries = report.entries
        written = report.written
        resumed = report.resumed
        expired = report.expired
        beyondHistory = report.beyondHistory
        interruptions = report.interruptions
        durationSeconds = report.duration.milliseconds
        merge = report.merge.map(Merge.init)
        safetyBackup = report.safetyBackup.map { backup in
            Safety(
                archive: backup.path,
                tag: backup.tag,
                revision: backup.revision,
                entries: backup.entries,
                command: RestoreText.command(backup)
            )
        }
        verification = report.comparison.map { comparison in
            var document = ComparisonDocument(comparison)
            // It was compared while it was marked, and has been finished since.
            document.isUnfinishedRestore = false
            return document
        }
    }

    private init(_ plan: RestorePlan, _ mode: RestoreOptions.Mode, _ reason: String) {
        bucket = plan.bucket.rawValue
        isDryRun = false
        source = Source(cluster: "", bucket: "", created: "", revision: 0)
        action = plan.action.rawValue
        self.mode = mode.rawValue
        modeReason = reason
        changes = RestoreText.shown(plan.changes).map { change in
            Change(
                setting: SettingsText.name(change.field),
                field: change.field,
                old: change.old,
                new: change.new
            )
        }
        leftOut = plan.leftOut
        mapping = plan.mapping.isIdentity ? nil : plan.mapping.rules.map(\.description)
        entries = 0
    }
}
