public import Archive
public import ArgumentParser
import KVModel
public import Replication

/// What of a bucket is written into another one, and how: the same for `restore` and `copy`.
struct WritingOptions: ParsableArguments, Sendable {
    @Option(help: "How to write: auto, exact (same revisions and times), replay (in order, new revisions).")
    var mode = RestoreOptions.Mode.auto

    @OptionGroup
    var changes: SettingOptions

    @Option(help: "Write only these keys (NATS wildcards); may be repeated.", transform: PatternArgument.parse)
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

    @Flag(help: "Write into a bucket that exists: fill it if it is empty, else merge, keeping what is newer there.")
    var intoExisting = false

    @Flag(help: "With --into-existing: write over what is newer in the bucket, too.")
    var overwrite = false

    @Flag(help: "Delete a bucket that exists first, after a safety backup of it.")
    var replace = false

    @Option(
        help: ArgumentHelp(
            "With --replace: the archive to make of the bucket that is deleted (default: beside the archive, or here).",
            valueName: "file"
        ),
        completion: .file(extensions: ["cistern"])
    )
    var safetyBackup: String?

    @Flag(help: "With --replace: make no backup of the bucket that is deleted.")
    var noSafetyBackup = false

    @Flag(help: "Show what would be done, and do nothing.")
    var dryRun = false

    @Flag(inversion: .prefixedNo, help: "Compare the bucket with its source afterwards.")
    var verify = true

    @Flag(name: .shortAndLong, help: "Do not ask before deleting.")
    var yes = false

    /// What the help of the commands says of merging and replacing.
    static let discussion = """
        A mapping names keys as NATS maps subjects: in the target, $1 stands for what the source's first * matched, a \
        final > for what the source's > did. Of several the first that matches counts; other keys keep their names.

        --into-existing merges into a bucket that holds entries. Of each key the newest entry of the source is held \
        against the newest entry of the bucket, deletes counting as entries (--history latest leaves them out): the one \
        that was written later stays, by the times of the servers; a copy that an earlier merge wrote counts from when \
        its original was written. The same value under the same headers is left alone. What is newer in the bucket is \
        kept and reported; --overwrite writes over it, but never over what is written while the merge runs. The bucket \
        keeps its settings, and other keys. Stopped anywhere, it is run again.

        --replace first makes a backup of the bucket that it deletes, in an archive of its own, and says where; nothing \
        is deleted before that archive is verified. `cistern restore` of it brings the bucket back.

        Settings for --set: \(BucketConfiguration.settingNames.joined(separator: ", ")).
        """

    /// Refuses what does not go together.
    func validate() throws {
        if intoExisting, replace { throw ValidationError("Give --into-existing or --replace, not both.") }
        if overwrite, !intoExisting { throw ValidationError("--overwrite goes with --into-existing.") }
        if noSafetyBackup || safetyBackup != nil, !replace {
            throw ValidationError("A safety backup is made with --replace only.")
        }
        if noSafetyBackup, safetyBackup != nil {
            throw ValidationError("Give --safety-backup or --no-safety-backup, not both.")
        }
        do { _ = try KeyMapping(map) } catch { throw ValidationError("--map: \(error)") }
    }

    /// Refuses to delete where nobody can be asked.
    func checkCanAsk(_ console: Console) throws {
        guard !replace || yes || dryRun || console.canAsk else {
            throw CommandError(
                .usage,
                text: "--replace would delete a bucket, and there is no terminal to ask on",
                hint: "give --yes as well, or look at --dry-run first"
            )
        }
    }

    /// The options as the engine takes them.
    var options: RestoreOptions {
        get throws {
            var options = RestoreOptions()
            options.mapping = try KeyMapping(map)
            options.mode = mode
            options.settings = changes.settings
            options.filter = filter
            options.history = history
            options.bytesPerSecond = rate
            options.intoExisting = intoExisting
            options.overwrites = overwrite
            options.replaces = replace
            options.verifies = verify
            return options
        }
    }
}

extension RestoreOptions.Mode: ExpressibleByArgument {}
extension HistoryMode: ExpressibleByArgument {}
