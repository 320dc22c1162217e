public import Archive
public import ArgumentParser
import KVModel
import KeyValue
public import Replication

/// `cistern restore`: a bucket out of an archive.
struct RestoreCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Write a bucket from an archive, with the same or with changed settings.",
        discussion: """
            The bucket gets what it held at the newest consistent revision, or at the point given. Where the server \
            allows, revisions, times and the next revision are those of the archive (exact), otherwise entries are \
            published in order and get new ones (replay). Afterwards the bucket is compared with the archive, entry \
            by entry. A restore that was stopped or killed goes on, or begins anew, when it is run again; until it is \
            finished the bucket says so itself.

            Examples:
              cistern restore orders.cistern
              cistern restore orders.cistern --as orders2 --set history=10 --set ttl=30d
              cistern restore all.cistern --bucket sessions --at-tag before-upgrade
              cistern restore orders.cistern --at-time 2026-11-01T00:00:00Z --as old
              cistern restore orders.cistern --filter 'customer.42.>' --as customer42
              cistern restore orders.cistern --filter 'eu.>' --map 'eu.>=x.>' --as x
              cistern restore orders.cistern --replace --dry-run

            A mapping names keys as NATS maps subjects: in the target, $1 stands for what the source's first * matched, a \
            final > for what the source's > did. Of several the first that matches counts; other keys keep their names.

            Settings for --set: \(BucketConfiguration.settingNames.joined(separator: ", ")).
            """
    )
    static let stopsAtCheckpoint = true

    @Argument(help: "The archive.", completion: .file(extensions: ["cistern"]))
    var file: String

    @Option(help: "The bucket in the archive; not needed if it holds one only.")
    var bucket: BucketName?

    @Option(help: "The cluster it was captured from, if the archive has buckets of that name from several.")
    var cluster: String?

    @Option(help: "The life of a recreated bucket: its creation time as `cistern list` shows it. Default: the newest.")
    var created: String?

    @Option(name: .customLong("as"), help: "The name of the bucket to write (default: its own).")
    var newName: BucketName?

    @Option(help: "How to write: auto, exact (same revisions and times), replay (in order, new revisions).")
    var mode = RestoreOptions.Mode.auto

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp("Change a setting; may be repeated.", valueName: "field=value")
    )
    var settings: [String] = []

    @Option(help: "Restore only these keys (NATS wildcards); may be repeated.", transform: PatternArgument.parse)
    var filter: [KeyPattern] = []

    @Option(
        help: ArgumentHelp(
            "Give keys other names, such as 'user.>=u.>' or '*.config=config.$1'; may be repeated.",
            valueName: "source=target"
        ),
        transform: MappingArgument.parse
    )
    var map: [KeyMapping.Rule] = []

    @Option(help: "Which entries of a key: full (all archived), bucket (what the bucket held), latest.")
    var history = HistoryMode.bucket

    @Option(
        help: ArgumentHelp("Write at most so much, such as 10MiB/s.", valueName: "bytes/s"),
        transform: RateArgument.parse
    )
    var rate: UInt64?

    @Flag(help: "Write into a bucket that exists and is empty.")
    var intoExisting = false

    @Flag(help: "Delete a bucket that exists first.")
    var replace = false

    @Flag(help: "Show what would be done, and do nothing.")
    var dryRun = false

    @Flag(inversion: .prefixedNo, help: "Compare the bucket with the archive afterwards.")
    var verify = true

    @Flag(name: .shortAndLong, help: "Do not ask before deleting.")
    var yes = false

    @OptionGroup(title: "Point")
    var point: PointOptions

    @OptionGroup(title: "Connection (the target's)")
    var connection: ConnectionOptions

    @OptionGroup(title: "Encryption")
    var keys: KeyOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func validate() throws {
        if intoExisting, replace { throw ValidationError("Give --into-existing or --replace, not both.") }
        _ = try KeyMapping(map)
        var probe = BucketConfiguration(name: BucketName(unchecked: "probe"))
        for setting in settings {
            do { try probe.set(setting) } catch { throw ValidationError("--set: \(error)") }
        }
    }

    func perform(_ console: Console) async throws -> RunStatus {
        guard !replace || yes || dryRun || console.canAsk else {
            throw CommandError(
                .usage,
                text: "--replace would delete a bucket, and there is no terminal to ask on",
                hint: "give --yes as well, or look at --dry-run first"
            )
        }
        let reader = try keys.reader(file, console)
        // Said with what the archive holds, before a server is asked.
        _ = try IncarnationOptions.choose(
            from: try reader.incarnations(),
            bucket: bucket,
            cluster: cluster,
            created: created
        )
        let progress = console.progress
        return try await connection.withBuckets(console) { buckets in
            let restore = Restore(from: reader, to: buckets, options: try options) { state in
                progress.update(Self.progressText(state))
            }
            let prepared = try await restore.prepare()
            guard !dryRun else {
                try say(prepared, try restore.settingsPlan(prepared), console)
                return .done
            }
            guard try confirmed(prepared, console) else {
                throw CommandError(.declined, text: "nothing was restored: the bucket is not to be replaced")
            }
            let report = try await restore.run(prepared)
            console.progress.clear()
            if console.isJSON {
                try console.document(RestoreDocument(report))
            } else {
                try console.report(RestoreText.lines(report))
            }
            return .done
        }
    }

    private var options: RestoreOptions {
        get throws {
            var options = RestoreOptions()
            options.mapping = try KeyMapping(map)
            options.bucket = bucket
            options.cluster = cluster
            options.created = created
            options.point = point.point
            options.newName = newName
            options.mode = mode
            options.settings = settings
            options.filter = filter
            options.history = history
            options.bytesPerSecond = rate
            options.intoExisting = intoExisting
            options.replaces = replace
            options.verifies = verify
            return options
        }
    }

    private func confirmed(_ prepared: Restore.Prepared, _ console: Console) throws -> Bool {
        guard prepared.plan.action == .replace, !yes else { return true }
        let filter = prepared.incarnation.filter
        let part = filter.isEmpty ? "" : ", which holds only the keys \(FilterText.text(filter)),"
        return try console.confirm(
            "Delete bucket \(prepared.plan.bucket) with all it holds and restore it from \(file)\(part)?"
        )
    }

    private func say(_ prepared: Restore.Prepared, _ settings: SettingsPlan, _ console: Console) throws {
        if console.isJSON {
            try console.document(RestoreDocument(prepared, settings))
        } else {
            try console.data(RestoreText.lines(prepared, settings, verifies: verify))
        }
    }

    static func progressText(_ state: RestoreProgress) -> ProgressText {
        ProgressText(
            activity: state.phase == .writing ? "writing" : "verifying",
            entries: state.entries,
            total: state.total,
            remark: state.interruptions > 0 ? NumberText.count(state.interruptions, "interruption") : nil
        )
    }
}

extension RestoreOptions.Mode: ExpressibleByArgument {}
extension HistoryMode: ExpressibleByArgument {}
