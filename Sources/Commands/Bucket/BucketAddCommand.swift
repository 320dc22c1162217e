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
              cistern kv add config --replicas 3 --max-value-size 64KiB
            """,
        aliases: ["new"]
    )

    @OptionGroup
    var arguments: BucketArguments

    @Option(help: "How many entries to keep of each key, 1 to 64.")
    var history: Int?

    @Option(help: "How long to keep entries, for example 15m, 24h, 30d.")
    var ttl: String?

    @Option(help: "Where to keep them: file or memory.")
    var storage: String?

    @Option(help: "On how many servers to keep them, 1 to 5.")
    var replicas: Int?

    @Option(help: "The largest value, for example 64KiB.")
    var maxValueSize: String?

    @Option(help: "The largest size of the bucket, for example 10GB.")
    var maxBucketSize: String?

    @Option(help: "What the bucket is for.")
    var description: String?

    @Flag(help: "Compress the bucket on disk (servers from 2.10 on).")
    var compress = false

    @Option(help: ArgumentHelp("Metadata (servers from 2.10 on); may be repeated.", valueName: "name=value"))
    var metadata: [String] = []

    @Option(help: "How long markers of expired keys stay, for example 1h (servers from 2.11 on).")
    var limitMarkerTtl: String?

    @OptionGroup(title: "Output")
    var output: OutputOptions

    func validate() throws {
        do { _ = try bucketConfiguration(BucketName(unchecked: "probe")) } catch { throw ValidationError("\(error)") }
    }

    /// The configuration that the options say.
    func bucketConfiguration(_ name: BucketName) throws(ModelError) -> BucketConfiguration {
        var configuration = BucketConfiguration(name: name)
        if let history { try configuration.set("history=\(history)") }
        if let ttl { try configuration.set("ttl=\(ttl)") }
        if let storage { try configuration.set("storage=\(storage)") }
        if let replicas { try configuration.set("replicas=\(replicas)") }
        if let maxValueSize { try configuration.set("max-value-size=\(maxValueSize)") }
        if let maxBucketSize { try configuration.set("max-bytes=\(maxBucketSize)") }
        if let description { try configuration.set("description=\(description)") }
        if compress { try configuration.set("compression=true") }
        for pair in metadata {
            guard let equals = pair.firstIndex(of: "="), equals > pair.startIndex else {
                throw .invalidSetting("metadata", value: pair, reason: "write NAME=VALUE")
            }
            try configuration.set("metadata.\(pair)")
        }
        if let limitMarkerTtl { try configuration.set("limit-marker-ttl=\(limitMarkerTtl)") }
        return configuration
    }

    func perform(_ console: Console) async throws -> RunStatus {
        let configuration = try bucketConfiguration(try arguments.name)
        return try await arguments.withBuckets(console) { buckets in
            let bucket = try await buckets.create(configuration)
            if console.isJSON {
                try console.document(BucketDocument(bucket))
            } else {
                try console.report(BucketText.lines(bucket, console))
            }
            return .done
        }
    }
}
