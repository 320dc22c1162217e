/// The configuration of a bucket: typed access to the full configuration of the stream behind it.
///
/// The server's JSON is kept whole, so that a setting which this version of Cistern does not know survives a backup
/// and a restore. Names of fields are the stream configuration's; what a bucket's settings mean there is said by
/// ADR-8, defaults are those of the official clients.
public struct BucketConfiguration: Sendable, Hashable {
    /// The stream's configuration, as the server says it.
    public var stream: JSONValue

    /// Wraps the configuration that a server reported.
    public init(stream: JSONValue) {
        self.stream = stream
    }

    /// A new bucket with the defaults of the official clients: history 1, file storage, no limits, one replica.
    public init(name: BucketName) {
        stream = [
            "name": .string(name.streamName),
            "subjects": [.string(name.subjectPrefix + ">")],
            "retention": "limits", "storage": "file", "discard": "new",
            "max_msgs_per_subject": 1, "max_msgs": -1, "max_bytes": -1, "max_msg_size": -1, "max_consumers": -1,
            "max_age": 0, "duplicate_window": .integer(Self.defaultDuplicateWindow), "num_replicas": 1,
            "allow_rollup_hdrs": true, "deny_delete": true, "deny_purge": false, "allow_direct": true,
        ]
    }

    private static let defaultDuplicateWindow: Int64 = 120_000_000_000

    /// The bucket's name; nil if the stream is no bucket.
    public var name: BucketName? {
        (stream["name"]?.string).flatMap { BucketName(streamName: $0) }
    }

    /// Gives the configuration another bucket's name, in every field that says it.
    public mutating func rename(to newName: BucketName) {
        let oldPrefix = name?.subjectPrefix
        stream["name"] = .string(newName.streamName)
        if stream["mirror"]?.object == nil {
            stream["subjects"] = [.string(newName.subjectPrefix + ">")]
        }
        if let oldPrefix, var republish = stream["republish"]?.object, let source = republish["src"]?.string,
            source.hasPrefix(oldPrefix)
        {
            republish["src"] = .string(newName.subjectPrefix + source.dropFirst(oldPrefix.count))
            stream["republish"] = .object(republish)
        }
        if let oldPrefix, let sources = stream["sources"]?.array {
            stream["sources"] = .array(
                sources.map { source in
                    guard var origin = BucketOrigin(source) else { return source }
                    origin.moveDestinations(from: oldPrefix, to: newName.subjectPrefix)
                    return origin.asSource(of: newName).json
                }
            )
        }
    }

    /// How many entries the bucket keeps of each key, 1 to 64; -1 without a limit.
    public var history: Int64 {
        get { integer("max_msgs_per_subject", none: -1) }
        set { stream["max_msgs_per_subject"] = .integer(newValue) }
    }

    /// How long the bucket keeps an entry, in nanoseconds; 0 for ever.
    ///
    /// Setting it gives the duplicate window that ADR-8 asks for: two minutes, or as long as this if that is shorter.
    public var ttl: Int64 {
        get { integer("max_age", none: 0) }
        set {
            stream["max_age"] = .integer(newValue)
            let longest = newValue > 0 ? newValue : Self.defaultDuplicateWindow
            stream["duplicate_window"] = .integer(min(longest, Self.defaultDuplicateWindow))
        }
    }

    /// The largest value in bytes; -1 without a limit.
    public var maximumValueSize: Int64 {
        get { integer("max_msg_size", none: -1) }
        set { stream["max_msg_size"] = .integer(newValue) }
    }

    /// The largest size of the bucket in bytes; -1 without a limit.
    public var maximumBytes: Int64 {
        get { integer("max_bytes", none: -1) }
        set { stream["max_bytes"] = .integer(newValue) }
    }

    /// Where the server keeps the bucket: `file` or `memory`.
    public var storage: String {
        get { stream["storage"]?.string ?? "file" }
        set { stream["storage"] = .string(newValue) }
    }

    /// On how many servers the bucket is kept.
    public var replicas: Int64 {
        get { integer("num_replicas", none: 1) }
        set { stream["num_replicas"] = .integer(newValue) }
    }

    /// Whether the server compresses the bucket on disk (servers from 2.10 on).
    public var isCompressed: Bool {
        get { (stream["compression"]?.string ?? "none") != "none" }
        set { stream["compression"] = .string(newValue ? "s2" : "none") }
    }

    /// What the bucket is for.
    public var description: String {
        get { stream["description"]?.string ?? "" }
        set { stream["description"] = newValue.isEmpty ? nil : .string(newValue) }
    }

    /// Free names and values kept with the bucket (servers from 2.10 on).
    public var metadata: [String: String] {
        get { (stream["metadata"]?.object ?? [:]).compactMapValues(\.string) }
        set { stream["metadata"] = newValue.isEmpty ? nil : .object(newValue.mapValues { .string($0) }) }
    }

    /// Whether any replica may answer reads.
    public var allowsDirectGet: Bool {
        get { stream["allow_direct"]?.bool ?? false }
        set { stream["allow_direct"] = .bool(newValue) }
    }

    /// How long markers of expired keys stay, in nanoseconds; 0 for no markers (servers from 2.11 on, ADR-48).
    public var limitMarkerTTL: Int64 {
        get { integer("subject_delete_marker_ttl", none: 0) }
        set {
            stream["subject_delete_marker_ttl"] = newValue > 0 ? .integer(newValue) : nil
            if newValue > 0 { stream["allow_msg_ttl"] = true }
        }
    }

    /// Whether entries may have a TTL of their own (servers from 2.11 on).
    public var allowsEntryTTL: Bool {
        stream["allow_msg_ttl"]?.bool ?? false
    }

    /// Whether the bucket is a mirror of another, which takes no writes.
    public var isMirror: Bool {
        stream["mirror"]?.object != nil
    }

    /// The configuration without what servers add on their own (`_nats.` metadata, from 2.11 on), for comparing and
    /// for creating.
    public var withoutServerMetadata: Self {
        var copy = self
        copy.metadata = metadata.filter { !$0.key.hasPrefix("_nats.") }
        return copy
    }

    private func integer(_ field: String, none: Int64) -> Int64 {
        guard let value = stream[field]?.integer else { return none }
        return value == 0 && none == -1 ? -1 : value
    }
}
