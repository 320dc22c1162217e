import ArgumentParser
import KVModel

/// The settings of a bucket as options of their own, under the names of `nats kv`: the same for `add` and `edit`.
struct BucketSettingOptions: ParsableArguments, Sendable {
    @Option(help: "How many entries to keep of each key, 1 to 64.")
    var history: Int?

    @Option(help: "How long to keep entries, for example 15m, 24h, 30d; 0 for ever.")
    var ttl: String?

    @Option(help: "On how many servers to keep them, 1 to 5.")
    var replicas: Int?

    @Option(parsing: .unconditional, help: "The largest value, for example 64KiB; -1 for no limit.")
    var maxValueSize: String?

    @Option(parsing: .unconditional, help: "The largest size of the bucket, for example 10GB; -1 for no limit.")
    var maxBucketSize: String?

    @Option(help: "What the bucket is for.")
    var description: String?

    @Flag(inversion: .prefixedNo, help: "Compress the bucket on disk (servers from 2.10 on).")
    var compress: Bool?

    @Option(
        help: ArgumentHelp(
            "Metadata (servers from 2.10 on); may be repeated, an empty value takes the name away.",
            valueName: "name=value"
        )
    )
    var metadata: [String] = []

    @Option(
        name: [.customLong("limit-marker-ttl"), .customLong("marker-ttl")],
        help: "Allow entries a TTL of their own, and keep markers of expired keys so long, such as 1h (from 2.11 on)."
    )
    var limitMarkerTtl: String?

    @Option(
        name: .customLong("tags"),
        help: ArgumentHelp("Keep the bucket on servers with this tag; may be repeated.", valueName: "tag")
    )
    var tags: [String] = []

    @Option(help: "Keep the bucket in this cluster.")
    var cluster: String?

    @Option(help: "Republish entries with these subjects (default: all).")
    var republishSource: String?

    @Option(help: "The subject to republish entries under; an empty one ends it.")
    var republishDestination: String?

    @Flag(inversion: .prefixedNo, help: "Republish headers only, no values.")
    var republishHeaders: Bool?

    @Option(
        name: .customLong("source"),
        help: ArgumentHelp("Take in the entries of this bucket too; may be repeated.", valueName: "bucket")
    )
    var sources: [String] = []

    @OptionGroup
    var changes: SettingOptions

    /// Refuses what no bucket can be set to.
    func validate() throws {
        var probe = BucketConfiguration(name: BucketName(unchecked: "probe"))
        // A bucket that exists may republish already: then the destination need not be said again.
        probe.republish = BucketConfiguration.Republish(destination: "probe")
        do { try apply(to: &probe) } catch { throw ValidationError("\(error)") }
    }

    /// Whether no option is given.
    var isEmpty: Bool {
        let texts = [
            ttl, maxValueSize, maxBucketSize, description, limitMarkerTtl, cluster, republishSource,
            republishDestination,
        ]
        return texts.allSatisfy { $0 == nil } && history == nil && replicas == nil && compress == nil
            && republishHeaders == nil && [metadata, tags, sources, changes.settings].allSatisfy(\.isEmpty)
    }

    /// Changes what the options say, and nothing else.
    func apply(to configuration: inout BucketConfiguration) throws(ModelError) {
        if let history { try configuration.set("history=\(history)") }
        if let ttl { try configuration.set("ttl=\(ttl)") }
        if let replicas { try configuration.set("replicas=\(replicas)") }
        if let maxValueSize {
            try configuration.set("max-value-size=\(maxValueSize)")
            guard configuration.maximumValueSize <= Int64(Int32.max) else {
                throw .invalidSetting("max-value-size", value: maxValueSize, reason: "servers take less than 2GiB")
            }
        }
        if let maxBucketSize { try configuration.set("max-bytes=\(maxBucketSize)") }
        if let description { try configuration.set("description=\(description)") }
        if let compress { try configuration.set("compression=\(compress)") }
        for pair in metadata {
            guard let equals = pair.firstIndex(of: "="), equals > pair.startIndex else {
                throw .invalidSetting("metadata", value: pair, reason: "write NAME=VALUE")
            }
            try configuration.set("metadata.\(pair)")
        }
        if let limitMarkerTtl { try configuration.set("limit-marker-ttl=\(limitMarkerTtl)") }
        if cluster != nil || !tags.isEmpty {
            // As with `nats kv`, who says where a bucket is to be says all of it.
            configuration.placement = BucketConfiguration.Placement(
                cluster: cluster,
                tags: tags.flatMap { $0.split(separator: ",") }.map { String($0) }
            )
        }
        try applyRepublishing(to: &configuration)
        for source in sources { try Self.add(source: source, to: &configuration) }
        for setting in changes.settings { try configuration.set(setting) }
    }

    private func applyRepublishing(to configuration: inout BucketConfiguration) throws(ModelError) {
        guard republishSource != nil || republishDestination != nil || republishHeaders != nil else { return }
        guard republishDestination?.isEmpty != true else {
            configuration.republish = nil
            return
        }
        let old = configuration.republish
        guard let destination = republishDestination ?? old?.destination else {
            throw .invalidSetting("republish-destination", value: "", reason: "say where to republish to")
        }
        configuration.republish = BucketConfiguration.Republish(
            source: republishSource ?? old?.source ?? ">",
            destination: destination,
            headersOnly: republishHeaders ?? old?.headersOnly ?? false
        )
    }

    /// Adds a bucket to the sources, if it is not one of them.
    private static func add(source: String, to configuration: inout BucketConfiguration) throws(ModelError) {
        let origin = BucketOrigin(try bucketName(source))
        guard !configuration.sources.contains(where: { $0.name == origin.name && $0.externalAPI == nil }) else {
            return
        }
        configuration.sources.append(origin)
    }

    /// The bucket that somebody named, perhaps by its stream (ADR-57).
    static func bucketName(_ text: String) throws(ModelError) -> BucketName {
        try BucketName(text.hasPrefix("KV_") ? String(text.dropFirst(3)) : text)
    }
}
