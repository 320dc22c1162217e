import Archive
import ArgumentParser
import KVModel
import KeyValue
import Replication

/// `cistern copy`: one bucket into another, once.
struct CopyCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "copy",
        abstract: "Copy a bucket into another one, on the same or on another cluster, once.",
        discussion: """
            The source is captured to a consistent revision while it is in use, and written to the target as `cistern \
            restore` writes: with its revisions and times where the server allows, then compared, entry by entry. \
            Nothing is kept beside the two buckets; what was captured is in a private folder (TMPDIR) meanwhile. What \
            was stopped is run again.

            A bucket is NAME, or CONTEXT/NAME of another `nats` context. A target that names no context is on the \
            source's cluster, unless the --target options lead elsewhere; with --target-server or --target-context it \
            has a connection of its own, which takes nothing from the source's.

            Examples:
              cistern copy orders orders-test
              cistern copy east/config west/config
              cistern copy config config --target-server nats://west:4222
              cistern copy config config --target-js-domain hub --set replicas=3
              cistern copy orders eu --filter 'eu.>' --map 'eu.>=>' --set storage=memory
              cistern copy east/config west/config --into-existing --dry-run

            \(WritingOptions.discussion)
            """
    )
    static let stopsAtCheckpoint = true

    @Argument(help: "The bucket to copy: NAME, or CONTEXT/NAME.", transform: BucketReference.parseSingle)
    var source: BucketReference

    @Argument(help: "The bucket to write: NAME, or CONTEXT/NAME.", transform: BucketReference.parseSingle)
    var target: BucketReference

    @OptionGroup(title: "Writing")
    var writing: WritingOptions

    @OptionGroup(title: "Connection (the source's)")
    var connection: ConnectionOptions

    @OptionGroup(title: "Connection (the target's)")
    var targetConnection: TargetOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func perform(_ console: Console) async throws -> RunStatus {
        try writing.checkCanAsk(console)
        guard let from = source.name else { throw ModelError.invalidBucketName(source.description) }
        guard let to = target.name else { throw ModelError.invalidBucketName(target.description) }
        var options = try writing.options
        options.newName = to
        let route = try connection.route(to: source.cluster, environment: console.environment)
        let targetRoute = try targetConnection.route(to: target.cluster, beside: route)
        let folder = try PrivateFolder(console.environment)
        let result: Result<RunStatus, any Error>
        do {
            let (wanted, path) = (options, "\(folder.path)/copy.cistern")
            result = .success(
                try await route.withBuckets(console) { sources in
                    let bucket = try await sources.bucket(from)
                    return try await targetRoute.withBuckets(console) { targets in
                        try await copy(bucket, to: targets, by: path, wanted, console)
                    }
                }
            )
        } catch {
            result = .failure(error)
        }
        try folder.remove()
        return try result.get()
    }

    private func copy(
        _ bucket: Bucket,
        to targets: Buckets,
        by path: String,
        _ options: RestoreOptions,
        _ console: Console
    ) async throws -> RunStatus {
        let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
        let (progress, label) = (console.progress, bucket.name)
        let copy = BucketCopy(of: bucket, by: writer, options: options) { state in
            progress.update(BackupRun.progressText(state, of: label))
        }
        if let name = options.newName { try await copy.refuseItself(targets, name) }
        let (reader, incarnation, restore) = try await copy.capture()
        let run = RestoreRun(
            options: writing,
            safetyStem: "",
            source: source.description,
            wording: .copy,
            console: console
        )
        let status = try await run.run(from: reader, to: targets, restore, incarnation)
        try reader.close()
        try writer.close()
        return status
    }
}
