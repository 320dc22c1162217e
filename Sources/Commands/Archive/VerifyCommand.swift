import Archive
import ArgumentParser
import KVModel
import KeyValue
import Replication

/// `cistern verify`: is the archive sound, and does a bucket hold what it says.
struct VerifyCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check an archive, and compare it with a live bucket.",
        discussion: """
            Every segment, digest, chain and count of the archive is checked; what is damaged is named with its \
            segment and revisions (exit code 1). With --against, what the archive says the bucket held is then compared \
            with a live bucket, entry by entry; differences, and a restore that was not finished, give exit code 3.

            Examples:
              cistern verify orders.cistern
              cistern verify orders.cistern --against orders
              cistern verify orders.cistern --against west/orders2 --at-tag before-upgrade
            """
    )

    @Argument(help: "The archive.", completion: .file(extensions: ["cistern"]))
    var file: String

    @Option(help: "A live bucket to compare with: NAME or CLUSTER/NAME.", transform: BucketReference.parseSingle)
    var against: BucketReference?

    @OptionGroup(title: "Bucket in the archive")
    var incarnation: IncarnationOptions

    @OptionGroup(title: "Point")
    var point: PointOptions

    @Option(help: "Compare only these keys (NATS wildcards); may be repeated.", transform: PatternArgument.parse)
    var filter: [KeyPattern] = []

    @Option(
        help: ArgumentHelp(
            "The names that keys have in the live bucket, as they were restored.",
            valueName: "source=target"
        ),
        transform: MappingArgument.parse
    )
    var map: [KeyMapping.Rule] = []

    @Option(help: "Which entries of a key to expect: full, bucket, latest; as the bucket was restored.")
    var history = HistoryMode.bucket

    @OptionGroup(title: "Connection")
    var connection: ConnectionOptions

    @OptionGroup(title: "Encryption")
    var keys: KeyOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func validate() throws {
        _ = try KeyMapping(map)
        guard against == nil else { return }
        if !filter.isEmpty || !map.isEmpty || history != .bucket || point.point != .newest {
            throw ValidationError(
                "--filter, --map, --history and --at-… go with --against: an archive is checked as a whole."
            )
        }
    }

    func perform(_ console: Console) async throws -> RunStatus {
        let reader = try keys.reader(file, console)
        let progress = console.progress
        let report = try reader.verify { state in
            progress.update(
                ProgressText(
                    activity: "checking segment \(state.segments) of \(state.ofSegments)",
                    entries: UInt64(clamping: state.entries),
                    bytes: UInt64(clamping: state.bytes)
                )
            )
        }
        progress.clear()
        var document = VerificationDocument(file, report)
        if !console.isJSON { try console.report(VerificationText.lines(report, of: file, console)) }
        try console.flush()
        var status = report.isSound ? RunStatus.done : .failed
        if report.isSound, let against {
            let comparison = try await compare(against, reader, console)
            document.comparison = ComparisonDocument(comparison, bucket: against.name)
            if !console.isJSON { try console.report(VerificationText.lines(comparison, against: against)) }
            if !comparison.isEqual || comparison.isUnfinishedRestore { status = .different }
        }
        if console.isJSON { try console.document(document) }
        try console.flush()
        if !report.isSound { console.fail(VerificationText.failure(report, of: file)) }
        return status
    }

    private func compare(
        _ reference: BucketReference,
        _ reader: ArchiveReader,
        _ console: Console
    ) async throws -> ComparisonReport {
        var wanted = incarnation
        // A bucket of the live one's name is what is meant, where the archive holds one.
        if wanted.bucket == nil, let name = reference.name,
            try reader.incarnations().contains(where: { $0.bucket == name })
        {
            wanted.bucket = name
        }
        let chosen = try wanted.choose(in: reader)
        let revision = try reader.resolve(point.point, in: chosen.id)
        let state = try reader.state(of: chosen.id, at: revision, filter: filter, historyMode: history)
        let mapping = try KeyMapping(map)
        let progress = console.progress
        progress.restart()
        defer { progress.clear() }
        return try await connection.withBuckets(of: reference.cluster, console) { buckets in
            guard let name = reference.name else { throw ModelError.invalidBucketName(reference.description) }
            let bucket = try await buckets.bucket(name)
            let total = UInt64(clamping: state.entries)
            let comparison = LiveComparison(bucket, chosen, filter: filter, mapping: mapping)
            return try await comparison.run(state, at: revision) { done in
                progress.update(ProgressText(activity: "\(name): comparing", entries: done, total: total))
            }
        }
    }
}
