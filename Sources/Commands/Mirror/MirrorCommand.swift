public import ArgumentParser
import KVModel
import KeyValue
public import Replication

/// `cistern mirror`: one bucket kept equal to another.
struct MirrorCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "mirror",
        abstract: "Keep a bucket equal to another one, on the same or on another cluster, until stopped.",
        discussion: """
            The target is made with the source's settings if it does not exist. The source's kept history is written to \
            it first, then every change as it comes, in order, with new revisions. How far that has come stands in \
            bucket cistern-mirrors of the target's cluster: killed anywhere and run again, on this machine or on \
            another, it goes on from there, nothing twice, nothing missing. A lost connection or a restart of either \
            server is waited for.

            --once ends when the target has everything. --reconcile compares the two buckets, key by key, and repairs \
            the target, whether a mirror runs beside it or not: what is missing or different gets the source's entry, \
            what the mirror wrote and the source does not have is deleted. What others wrote is reported; where the \
            source has the key, the source wins. With --dry-run it only compares. Given together, the target first \
            catches up. --reconcile-every does the same from time to time while the mirror runs.

            A bucket is NAME, or CONTEXT/NAME of another `nats` context. A target that names no context is on the \
            source's cluster, unless the --target options lead elsewhere; with --target-server or --target-context it \
            has a connection of its own, which takes nothing from the source's.

            Examples:
              cistern mirror east/config west/config
              cistern mirror config config --target-server nats://west:4222 --reconcile-every 1h
              cistern mirror orders orders-eu --filter 'eu.>' --map 'eu.>=>' --set storage=memory
              cistern mirror east/config west/config --once
              cistern mirror east/config west/config --reconcile --dry-run

            Settings for --set: \(BucketConfiguration.settingNames.joined(separator: ", ")).
            """
    )
    static let stopsAtCheckpoint = true

    @Argument(help: "The bucket to mirror: NAME, or CONTEXT/NAME.", transform: BucketReference.parseSingle)
    var source: BucketReference

    @Argument(help: "The bucket to keep equal to it: NAME, or CONTEXT/NAME.", transform: BucketReference.parseSingle)
    var target: BucketReference

    @Flag(help: "End when the target has everything.")
    var once = false

    @Flag(help: "Compare the buckets and repair the target, once.")
    var reconcile = false

    @Option(
        help: ArgumentHelp("Compare and repair so often while the mirror runs.", valueName: "duration"),
        transform: DurationArgument.parse
    )
    var reconcileEvery: Duration?

    @Flag(help: "With --reconcile: only compare.")
    var dryRun = false

    @Option(help: "Mirror only these keys (NATS wildcards); may be repeated.", transform: PatternArgument.parse)
    var filter: [KeyPattern] = []

    @Option(
        help: ArgumentHelp(
            "Give keys other names, such as 'user.>=u.>' or '*.config=config.$1'; may be repeated.",
            valueName: "source=target"
        ),
        transform: MappingArgument.parse
    )
    var map: [KeyMapping.Rule] = []

    @Flag(help: "Keep in the target what is deleted in the source.")
    var noDeletes = false

    @Option(
        help: ArgumentHelp(
            "When the source was deleted and created again: stop, or resync, which makes the target equal to what it is now.",
            valueName: "stop|resync"
        )
    )
    var onRecreate = MirrorOptions.OnRecreate.stop

    @Flag(help: "Stop rather than give an entry another revision than it has in the source.")
    var preserveRevisions = false

    @Option(
        help: ArgumentHelp("Read at most so much, such as 10MiB/s.", valueName: "bytes/s"),
        transform: RateArgument.parse
    )
    var rate: UInt64?

    @OptionGroup(title: "A target that is made")
    var changes: SettingOptions

    @OptionGroup(title: "Connection (the source's)")
    var connection: ConnectionOptions

    @OptionGroup(title: "Connection (the target's)")
    var targetConnection: TargetOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    /// Refuses what does not go together.
    func validate() throws {
        if reconcileEvery != nil, once || reconcile {
            throw ValidationError(
                "--reconcile-every goes with a mirror that runs on: leave out --once and --reconcile."
            )
        }
        if let reconcileEvery, reconcileEvery < .seconds(1) {
            throw ValidationError("--reconcile-every must be 1s or more.")
        }
        if dryRun, !reconcile || once { throw ValidationError("--dry-run goes with --reconcile alone.") }
        if reconcile, !once, !changes.settings.isEmpty || onRecreate != .stop {
            throw ValidationError("--reconcile alone makes no target: --set and --on-recreate go with --once as well.")
        }
        if reconcile, preserveRevisions, !dryRun {
            throw ValidationError("Nothing can be repaired under --preserve-revisions: give --dry-run to compare.")
        }
        if reconcileEvery != nil, preserveRevisions {
            throw ValidationError("Nothing can be repaired under --preserve-revisions: leave out --reconcile-every.")
        }
        _ = try KeyMapping(map)
    }

    func perform(_ console: Console) async throws -> RunStatus {
        guard let from = source.name else { throw ModelError.invalidBucketName(source.description) }
        guard let to = target.name else { throw ModelError.invalidBucketName(target.description) }
        let route = try connection.route(to: source.cluster, environment: console.environment)
        let targetRoute = try targetConnection.route(to: target.cluster, beside: route)
        let status = try await route.withBuckets(console) { sources in
            let bucket = try await sources.bucket(from)
            return try await targetRoute.withBuckets(console) { targets in
                let run = try MirrorRun(source: bucket, targets: targets, target: to, command: self, console: console)
                return try await run.run()
            }
        }
        // What was asked to stop says so, after all else has been said.
        try Task.checkCancellation()
        return status
    }
}

extension MirrorOptions.OnRecreate: ExpressibleByArgument {}
