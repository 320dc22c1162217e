import Archive
import ArgumentParser
import KVModel
import KeyValue
import Replication

/// `cistern migrate`: other settings for a bucket that is in use.
struct MigrateCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Give a bucket other settings, recreating it in place where the server will not change them.",
        discussion: """
            What the server changes in place is changed in place. For the rest the bucket is backed up, taken off its \
            subjects so that a write fails at once, captured to its last revision, deleted, restored and compared; \
            reads go on until it is deleted. Each step is in the archive's journal before it is taken: after an \
            interruption, --resume goes on, and --rollback brings the bucket back as it was.

            Examples:
              cistern migrate orders --set storage=memory --archive orders.cistern --plan
              cistern migrate orders --set storage=memory --archive orders.cistern
              cistern migrate orders --archive orders.cistern --resume
            """
    )

    static let stopsAtCheckpoint = true

    @Argument(help: "The bucket: NAME, or CONTEXT/NAME.", transform: BucketReference.parseSingle)
    var bucket: BucketReference

    @Option(
        name: .shortAndLong,
        help: "The archive that it goes by; made if it does not exist.",
        completion: .file(extensions: ["cistern"])
    )
    var archive: String

    @OptionGroup
    var changes: SettingOptions

    @Flag(help: "Back the bucket up, print what would be done, and stop.")
    var plan = false

    @Flag(help: "Go on with a migration that was interrupted.")
    var resume = false

    @Flag(help: "Bring the bucket back as it was before a migration that was interrupted.")
    var rollback = false

    @Option(
        help: "Do nothing if writers would be kept out for longer than this, by the estimate (500ms, 10s, 2m).",
        transform: DurationArgument.parse
    )
    var maxPause: Duration?

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var yes = false

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @OptionGroup(title: "Encryption")
    var keys: KeyOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func validate() throws {
        if [plan, resume, rollback].count(where: \.self) > 1 {
            throw ValidationError("Give one of --plan, --resume and --rollback, not several.")
        }
        let isNew = !resume && !rollback
        if isNew, changes.settings.isEmpty { throw ValidationError("Say what to change with --set.") }
        if !isNew, !changes.settings.isEmpty {
            throw ValidationError("The settings of an interrupted migration are in its journal: leave --set out.")
        }
    }

    func perform(_ console: Console) async throws -> RunStatus {
        guard yes || plan || console.canAsk else {
            throw CommandError(
                .usage,
                text: "a migration may delete and recreate the bucket, and there is no terminal to ask on",
                hint: "give --yes as well, or look at --plan first"
            )
        }
        guard let name = bucket.name else { throw ModelError.invalidBucketName(bucket.description) }
        let slot = ArchiveSlot(path: archive, keys: keys, encrypts: false, console: console)
        try slot.openIfPresent()
        let status = try await connection.withBuckets(of: bucket.cluster, console) { buckets in
            // A bucket that is not there shall not make an archive; one half migrated may not be there.
            if !resume, !rollback { _ = try await buckets.bucket(name) }
            let writer = try slot.writer()
            let (progress, label) = (console.progress, name)
            var options = Migration.Options()
            options.settings = changes.settings
            options.maximumPause = maxPause
            let migration = Migration(of: name, in: buckets, by: writer, options: options) { seen in
                progress.update(MigrationText.progress(seen, of: label))
            }
            return try await resume || rollback
                ? goOn(migration, name, in: writer, console) : begin(migration, console)
        }
        try slot.close()
        return status
    }

    private func begin(_ migration: Migration, _ console: Console) async throws -> RunStatus {
        let planned = try await migration.plan()
        console.progress.clear()
        if plan {
            if console.isJSON {
                try console.document(MigrationDocument(planned))
            } else {
                try console.data(MigrationText.lines(planned) + ["", "Nothing was changed: this is the plan."])
            }
            return .done
        }
        if !yes {
            try console.report(MigrationText.lines(planned))
            let question =
                planned.settings.method == .update ? "Change these settings?" : "Recreate bucket \(planned.bucket)?"
            guard try console.confirm(question) else {
                throw CommandError(.declined, text: "nothing was changed")
            }
        }
        return try say(try await migration.run(planned), console)
    }

    private func goOn(
        _ migration: Migration,
        _ name: BucketName,
        in writer: ArchiveWriter,
        _ console: Console
    ) async throws -> RunStatus {
        guard let open = try JournaledMigration.last(of: name, cluster: nil, in: try writer.reader()) else {
            throw CommandError(
                .nothingMatches,
                text: "archive \(archive) knows of no migration of bucket \(name)",
                hint: "check --archive; a migration begins with --set"
            )
        }
        let way = resume ? "Go on with" : "Roll back"
        let question = "\(way) the migration of \(name) that stopped at its step \(open.step.rawValue), \(open.time)?"
        if !yes, try !console.confirm(question) {
            throw CommandError(.declined, text: "nothing was changed")
        }
        return try say(try await resume ? migration.resume(open) : migration.rollBack(open), console)
    }

    private func say(_ report: MigrationReport, _ console: Console) throws -> RunStatus {
        console.progress.clear()
        if console.isJSON {
            try console.document(MigrationDocument(report))
        } else {
            try console.report(MigrationText.lines(report))
        }
        return .done
    }
}
