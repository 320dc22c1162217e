import Archive
import ArgumentParser
import KVModel
import KeyValue
import Replication

/// `cistern backup`: buckets into an archive.
struct BackupCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Bring buckets into an archive, from where the last backup ended.",
        discussion: """
            The first backup reads a bucket's whole history; later ones read only what came since. A backup ends at a \
            consistent revision: the archive then holds the bucket exactly as it was. Stopped or killed, it goes on \
            from its last checkpoint when it is run again.

            Examples:
              cistern backup orders --archive orders.cistern
              cistern backup 'app-*' sessions --archive all.cistern --verify
              cistern backup --all --archive all.cistern --tag before-upgrade
              cistern backup orders --archive orders.cistern --follow
              cistern backup config --archive eu.cistern --filter 'eu.>' --filter shared
              cistern backup orders --archive sealed.cistern --encrypt --key-file my.key
              cistern backup east/config west/config --archive config.cistern

            The last one reads two clusters, east and west: they are contexts of the `nats` CLI.
            """
    )
    static let stopsAtCheckpoint = true

    @Argument(
        help: "Buckets: NAME, CLUSTER/NAME, or patterns such as 'app-*'.",
        transform: BucketReference.parse
    )
    var buckets: [BucketReference] = []

    @Flag(help: "Every bucket of the connection.")
    var all = false

    @Option(help: "The archive; made if it does not exist.", completion: .file(extensions: ["cistern"]))
    var archive: String

    @Flag(help: "Go on capturing what is written, until stopped.")
    var follow = false

    @Option(help: "How often --follow commits what it has (default: 1s).", transform: DurationArgument.parse)
    var commitEvery: Duration?

    @Option(
        help: "How long to look for a consistent revision while the bucket is written to (default: 30s).",
        transform: DurationArgument.parse
    )
    var settleWithin: Duration?

    @Option(
        help: "Keep only these keys (NATS wildcards); may be repeated, and must be the same at every backup.",
        transform: PatternArgument.parse
    )
    var filter: [KeyPattern] = []

    @Option(
        help: ArgumentHelp("Read at most so much, such as 10MiB/s, of all buckets together.", valueName: "bytes/s"),
        transform: RateArgument.parse
    )
    var rate: UInt64?

    @Option(help: "Name the revision that the backup ends at.")
    var tag: String?

    @Flag(help: "Encrypt a new archive, with the key file or passphrase given.")
    var encrypt = false

    @Flag(help: "Afterwards compare the archive with the bucket, entry by entry.")
    var verify = false

    @Flag(
        help:
            "State the digest of what the bucket holds in any case; where little has changed in a large bucket it is left out."
    )
    var digest = false

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @OptionGroup(title: "Encryption")
    var keys: KeyOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func validate() throws {
        guard !buckets.isEmpty || all else { throw ValidationError("Name a bucket, or give --all.") }
        guard buckets.isEmpty || !all else { throw ValidationError("Give buckets or --all, not both.") }
        if commitEvery != nil, !follow { throw ValidationError("--commit-every goes with --follow.") }
        if let commitEvery, commitEvery < .milliseconds(10) {
            throw ValidationError("--commit-every must be 10ms or more.")
        }
        if let tag, tag.isEmpty { throw ValidationError("--tag needs a name.") }
    }

    func perform(_ console: Console) async throws -> RunStatus {
        let slot = ArchiveSlot(path: archive, keys: keys, encrypts: encrypt, console: console)
        // An archive that cannot be used is found before any server is asked; a new one is made only when the buckets
        // were found.
        try slot.openIfPresent()
        let wanted = all ? [BucketReference.all] : buckets
        let clusters = Dictionary(grouping: wanted) { $0.cluster }.sorted { ($0.key ?? "") < ($1.key ?? "") }
        let status = await withTaskGroup(of: RunStatus.self) { group in
            var status = RunStatus.done
            for (cluster, references) in clusters {
                let share = follow ? clusters.count : 1
                group.addTask { await backUp(references, of: cluster, sharing: share, slot, console) }
                // Followed clusters go side by side, others one after the other.
                if !follow { status = status.worse(await group.next() ?? .done) }
            }
            return await group.reduce(status) { $0.worse($1) }
        }
        try slot.close()
        try Task.checkCancellation()
        return status
    }

    /// Backs up the buckets of one cluster; what fails is said and answered as a status.
    private func backUp(
        _ references: [BucketReference],
        of cluster: String?,
        sharing clusters: Int,
        _ slot: ArchiveSlot,
        _ console: Console
    ) async -> RunStatus {
        do {
            return try await connection.withBuckets(of: cluster, console) { buckets in
                let selection = try await BucketSelection(references, in: buckets)
                for failure in selection.failures { console.fail(failure) }
                let missing = selection.failures.reduce(RunStatus.done) { $0.worse($1.status) }
                guard !selection.buckets.isEmpty else { return missing }
                let writer = try slot.writer()
                // Followed side by side, they have equal parts of what may be read.
                let share = UInt64(clusters * (follow ? selection.buckets.count : 1))
                let part = rate.map { max(1, $0 / share) }
                return await withTaskGroup(of: RunStatus.self) { group in
                    var status = missing
                    for bucket in selection.buckets where !Task.isCancelled {
                        let run = BackupRun(
                            bucket: bucket,
                            writer: writer,
                            options: self,
                            bytesPerSecond: part,
                            console: console
                        )
                        group.addTask { await run.run() }
                        if !follow { status = status.worse(await group.next() ?? .done) }
                    }
                    return await group.reduce(status) { $0.worse($1) }
                }
            }
        } catch {
            let failure = Failure(error)
            guard !failure.isStop else { return .done }
            console.fail(failure)
            return failure.status
        }
    }
}
