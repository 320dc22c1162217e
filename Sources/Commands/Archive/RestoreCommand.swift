import Archive
import ArgumentParser
import KVModel
import KeyValue
import Replication

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
              cistern restore orders.cistern --into-existing --filter 'customer.42.>'
              cistern restore orders.cistern --replace --dry-run

            \(WritingOptions.discussion)
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

    @OptionGroup(title: "Writing")
    var writing: WritingOptions

    @OptionGroup(title: "Point")
    var point: PointOptions

    @OptionGroup(title: "Connection (the target's)")
    var connection: ConnectionOptions

    @OptionGroup(title: "Encryption")
    var keys: KeyOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        try writing.checkCanAsk(console)
        let reader = try keys.reader(file, console)
        // Said with what the archive holds, before a server is asked.
        let incarnation = try IncarnationOptions.choose(
            from: try reader.incarnations(),
            bucket: bucket,
            cluster: cluster,
            created: created
        )
        let run = RestoreRun(
            options: writing,
            safetyStem: String(file.hasSuffix(".cistern") ? file.dropLast(".cistern".count) : Substring(file)),
            source: file,
            console: console
        )
        return try await connection.withBuckets(console) { buckets in
            try await run.run(from: reader, to: buckets, try options, incarnation)
        }
    }

    private var options: RestoreOptions {
        get throws {
            var options = try writing.options
            options.bucket = bucket
            options.cluster = cluster
            options.created = created
            options.point = point.point
            options.newName = newName
            return options
        }
    }
}
