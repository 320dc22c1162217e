/// Where a mirror or a source takes its entries from: another bucket, or a stream that is none.
///
/// It keeps what this version of Cistern does not know of the server's own JSON.
public struct BucketOrigin: Sendable, Hashable {
    /// Gives the subjects of one pattern those of another on their way, as NATS maps subjects (servers from 2.10 on).
    public struct Transform: Sendable, Hashable {
        /// Subjects that are taken, such as `$KV.ORDERS.NEW.>`.
        public var source: String
        /// What they become, such as `$KV.NEW_ORDERS.>`.
        public var destination: String

        /// A transform of two subjects.
        public init(source: String, destination: String) {
            self.source = source
            self.destination = destination
        }
    }

    /// The stream's name; a bucket's may be given without its `KV_`, which is added unless there are transforms.
    public var name: String
    /// The keys to take; nil for all, or where transforms say it.
    ///
    /// A source takes the part before a final `>` away, as ADR-57 has it: of `NEW.>` the key `NEW.a` becomes `a`. Keys
    /// that other patterns match keep their names.
    public var keys: KeyPattern?
    /// The sequence to begin at; nil for the first there is.
    public var startSequence: UInt64?
    /// The time to begin at; nil for the first entry there is.
    public var startTime: Timestamp?
    /// What the origin's API subjects begin with, if it is in another domain or account: `$JS.hub.API`.
    public var externalAPI: String?
    /// What the subjects begin with under which an origin in another account delivers.
    public var deliverPrefix: String?
    /// How subjects change on their way; empty for a bucket's usual ones.
    public var transforms: [Transform]
    private var others: [String: JSONValue] = [:]
    private var externalOthers: [String: JSONValue] = [:]

    /// A bucket of the same account, or of another domain that the server can reach.
    public init(_ bucket: BucketName, keys: KeyPattern? = nil, domain: String? = nil) {
        self.init(name: bucket.streamName, keys: keys)
        self.domain = domain
    }

    /// A stream or bucket by its name; with transforms it is taken as it is given.
    public init(name: String, keys: KeyPattern? = nil, transforms: [Transform] = []) {
        self.name = name
        self.keys = keys
        self.transforms = transforms
    }

    /// The bucket, if the origin is one.
    public var bucket: BucketName? { BucketName(streamName: name) }

    /// The JetStream domain of the origin; nil for the own one, or where another API prefix is given.
    public var domain: String? {
        get {
            guard let api = externalAPI, api.hasPrefix("$JS."), api.hasSuffix(".API") else { return nil }
            let name = api.dropFirst(4).dropLast(4)
            return name.isEmpty || name.contains(".") ? nil : String(name)
        }
        set { externalAPI = newValue.map { "$JS.\($0).API" } }
    }
}

extension BucketOrigin {
    /// Reads what a stream's configuration says of its mirror or of one of its sources; nil if that names no stream.
    public init?(_ json: JSONValue) {
        guard var members = json.object, let name = members.removeValue(forKey: "name")?.string else { return nil }
        self.init(name: name)
        if let filter = members["filter_subject"]?.string, let keys = Self.keys(filter, of: name) {
            self.keys = keys
            members["filter_subject"] = nil
        }
        if let sequence = members["opt_start_seq"]?.unsigned {
            startSequence = sequence == 0 ? nil : sequence
            members["opt_start_seq"] = nil
        }
        if let time = (members["opt_start_time"]?.string).flatMap(Timestamp.init(rfc3339:)) {
            startTime = time
            members["opt_start_time"] = nil
        }
        if var external = members["external"]?.object {
            let api = external.removeValue(forKey: "api")?.string ?? ""
            externalAPI = api.isEmpty ? nil : api
            let prefix = external.removeValue(forKey: "deliver")?.string ?? ""
            deliverPrefix = prefix.isEmpty ? nil : prefix
            externalOthers = external
            members["external"] = nil
        }
        if let transforms = members["subject_transforms"]?.array {
            let known = transforms.compactMap(Transform.init)
            if known.count == transforms.count {
                self.transforms = known
                members["subject_transforms"] = nil
            }
        }
        others = members
    }

    /// The origin as a stream's configuration says it.
    public var json: JSONValue {
        var members = others
        members["name"] = .string(name)
        if let keys { members["filter_subject"] = .string(Self.subjectPrefix(of: name) + keys.description) }
        if let startSequence {
            members["opt_start_seq"] = Int64(exactly: startSequence).map { .integer($0) } ?? .unsigned(startSequence)
        }
        if let startTime { members["opt_start_time"] = .string(startTime.description) }
        var external = externalOthers
        if externalAPI != nil || deliverPrefix != nil {
            external["api"] = .string(externalAPI ?? "")
            external["deliver"] = .string(deliverPrefix ?? "")
        }
        if !external.isEmpty { members["external"] = .object(external) }
        if !transforms.isEmpty { members["subject_transforms"] = .array(transforms.map(\.json)) }
        return .object(members)
    }

    /// The origin as a mirror has it (ADR-57): the name of a bucket's stream, which servers know by `KV_`.
    public var asMirror: Self {
        var origin = self
        origin.name = Self.streamName(name)
        return origin
    }

    /// The origin as a source of a bucket (ADR-57): keys come under the names that they have in that bucket.
    ///
    /// With transforms, or with a filter that is not of a bucket's keys, it stays as it is: then it may be any stream.
    /// A bucket of the same name in another domain needs no transform.
    public func asSource(of bucket: BucketName) -> Self {
        guard transforms.isEmpty, others["subject_transforms"] == nil, others["filter_subject"] == nil else {
            return self
        }
        var origin = asMirror
        let source = Self.subjectPrefix(of: origin.name)
        if externalAPI != nil, source == bucket.subjectPrefix { return origin }
        let keys = keys ?? .all
        origin.keys = nil
        origin.transforms = [
            Transform(
                source: source + keys.description,
                destination: bucket.subjectPrefix + Self.destination(of: keys)
            )
        ]
        return origin
    }

    /// Lets transforms that lead to a bucket lead to another.
    mutating func moveDestinations(from old: String, to new: String) {
        for index in transforms.indices where transforms[index].destination.hasPrefix(old) {
            transforms[index].destination = new + transforms[index].destination.dropFirst(old.count)
        }
    }

    /// What keys of a pattern become in a bucket that sources them.
    private static func destination(of keys: KeyPattern) -> String {
        let tokens = keys.description.split(separator: ".")
        guard tokens.last != ">" || tokens.contains("*") else { return ">" }
        var wildcards = 0
        return tokens.map { token in
            guard token == "*" else { return String(token) }
            wildcards += 1
            return "{{wildcard(\(wildcards))}}"
        }.joined(separator: ".")
    }

    private static func keys(_ filter: String, of stream: String) -> KeyPattern? {
        let prefix = subjectPrefix(of: stream)
        guard stream.hasPrefix("KV_"), filter.hasPrefix(prefix) else { return nil }
        do { return try KeyPattern(String(filter.dropFirst(prefix.count))) } catch { return nil }
    }

    private static func streamName(_ name: String) -> String {
        name.hasPrefix("KV_") ? name : "KV_" + name
    }

    /// What the subjects of a bucket's keys begin with, by the name of its stream.
    private static func subjectPrefix(of stream: String) -> String {
        "$KV.\(streamName(stream).dropFirst(3))."
    }
}

extension BucketOrigin.Transform {
    /// Reads a transform of a stream's configuration; nil if it is none, or has more than this version knows.
    init?(_ json: JSONValue) {
        guard let members = json.object, members.count == 2, let source = members["src"]?.string,
            let destination = members["dest"]?.string
        else { return nil }
        self.init(source: source, destination: destination)
    }

    var json: JSONValue {
        ["src": .string(source), "dest": .string(destination)]
    }
}
