import ArgumentParser
import KVModel
import KeyValue

/// `cistern kv add`: a new bucket.
struct BucketAddCommand: CisternCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Create a bucket.",
        discussion: """
            Examples:
              cistern kv add orders
              cistern kv add sessions --history 5 --ttl 24h --storage memory
              cistern kv add config --replicas 3 --max-value-size 64KiB --cluster east
              cistern kv add locks --marker-ttl 1h
              cistern kv add near --mirror config --mirror-domain hub

            Sizes: K, M and G count by 1024 as KiB, MiB and GiB do; KB, MB and GB by 1000.
            Settings for --set: \(BucketConfiguration.settingNames.joined(separator: ", ")).
            """,
        aliases: ["new"]
    )

    @OptionGroup
    var arguments: BucketArguments

    @Option(help: "Where to keep entries: file (or f), memory (or m).")
    var storage: String?

    @Option(help: ArgumentHelp("Make a mirror of this bucket.", valueName: "bucket"))
    var mirror: String?

    @Option(help: "The JetStream domain of the bucket to mirror.")
    var mirrorDomain: String?

    @OptionGroup(title: "Settings")
    var settings: BucketSettingOptions

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func validate() throws {
        if mirrorDomain != nil, mirror == nil { throw ValidationError("--mirror-domain goes with --mirror.") }
        if mirror != nil, !settings.sources.isEmpty { throw ValidationError("Give --mirror or --source, not both.") }
        do { _ = try bucketConfiguration(BucketName(unchecked: "probe")) } catch { throw ValidationError("\(error)") }
    }

    /// The configuration that the options say.
    func bucketConfiguration(_ name: BucketName) throws(ModelError) -> BucketConfiguration {
        var configuration = BucketConfiguration(name: name)
        if let storage { try configuration.set("storage=\(["f": "file", "m": "memory"][storage] ?? storage)") }
        try settings.apply(to: &configuration)
        if let mirror {
            let isToken = (mirrorDomain ?? "hub").utf8.allSatisfy { $0 > 32 && $0 < 127 && !".*>".utf8.contains($0) }
            guard isToken, mirrorDomain?.isEmpty != true else {
                throw .invalidSetting("mirror-domain", value: mirrorDomain ?? "", reason: "a domain is one word")
            }
            configuration.mirror = BucketOrigin(try BucketSettingOptions.bucketName(mirror), domain: mirrorDomain)
        }
        return configuration
    }

    func perform(_ console: Console) async throws -> RunStatus {
        let configuration = try bucketConfiguration(try arguments.name)
        return try await arguments.withBuckets(console) { buckets in
            let bucket = try await buckets.create(configuration).refreshed()
            if console.isJSON {
                try console.document(BucketDocument(bucket))
            } else {
                try console.report(BucketText.lines(bucket, console))
            }
            return .done
        }
    }
}
