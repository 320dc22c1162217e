extension BucketConfiguration {
    /// Where a server keeps a bucket.
    public enum Storage: String, Sendable, Hashable, CaseIterable {
        /// On disk.
        case file
        /// In memory: gone when the server ends.
        case memory
    }

    /// On which servers a bucket is to be.
    public struct Placement: Sendable, Hashable {
        /// The name of the cluster; nil for the one that is connected to.
        public var cluster: String?
        /// Tags that each of the servers has.
        public var tags: [String]

        /// A placement in a cluster, on servers of some tags, or both.
        public init(cluster: String? = nil, tags: [String] = []) {
            self.cluster = cluster
            self.tags = tags
        }
    }

    /// Under which subjects the server publishes again what it stores.
    public struct Republish: Sendable, Hashable {
        /// The subjects that are published again, such as `$KV.app.user.>`; `>` for all of the bucket.
        public var source: String
        /// What they become, such as `changes.>`.
        public var destination: String
        /// Whether values are left out; their size is said in a header.
        public var headersOnly: Bool

        /// Publishes a bucket's entries, or those of some subjects, under others.
        public init(source: String = ">", destination: String, headersOnly: Bool = false) {
            self.source = source
            self.destination = destination
            self.headersOnly = headersOnly
        }
    }

    /// Where the server keeps the bucket; servers know no other ways than these two.
    public var storageType: Storage {
        get { Storage(rawValue: storage) ?? .file }
        set { storage = newValue.rawValue }
    }

    /// How long the bucket keeps an entry; nil for ever.
    ///
    /// Setting it gives the duplicate window that ADR-8 asks for: two minutes, or as long as this if that is shorter.
    public var timeToLive: Duration? {
        get { ttl > 0 ? .nanoseconds(ttl) : nil }
        set { ttl = newValue?.wholeNanoseconds ?? 0 }
    }

    /// How long markers of expired keys stay; nil for no markers (servers from 2.11 on, ADR-48).
    ///
    /// Setting it allows entries a lifetime of their own. Once a bucket has it servers do not take that back.
    public var limitMarkerTimeToLive: Duration? {
        get { limitMarkerTTL > 0 ? .nanoseconds(limitMarkerTTL) : nil }
        set { limitMarkerTTL = newValue?.wholeNanoseconds ?? 0 }
    }

    /// On which servers the bucket is to be; nil to leave it to the cluster.
    public var placement: Placement? {
        get {
            guard let members = stream["placement"]?.object else { return nil }
            let cluster = members["cluster"]?.string ?? ""
            return Placement(
                cluster: cluster.isEmpty ? nil : cluster,
                tags: (members["tags"]?.array ?? []).compactMap(\.string)
            )
        }
        set {
            guard let newValue else {
                stream["placement"] = nil
                return
            }
            var members = stream["placement"]?.object ?? [:]
            members["cluster"] = newValue.cluster.flatMap { $0.isEmpty ? nil : .string($0) }
            members["tags"] = newValue.tags.isEmpty ? nil : .array(newValue.tags.map { .string($0) })
            stream["placement"] = members.isEmpty ? nil : .object(members)
        }
    }

    /// What the server publishes again of what it stores; nil for nothing.
    public var republish: Republish? {
        get {
            guard let members = stream["republish"]?.object, let destination = members["dest"]?.string else {
                return nil
            }
            return Republish(
                source: members["src"]?.string ?? ">",
                destination: destination,
                headersOnly: members["headers_only"]?.bool ?? false
            )
        }
        set {
            guard let newValue else {
                stream["republish"] = nil
                return
            }
            var members = stream["republish"]?.object ?? [:]
            members["src"] = .string(newValue.source)
            members["dest"] = .string(newValue.destination)
            members["headers_only"] = newValue.headersOnly ? true : nil
            stream["republish"] = .object(members)
        }
    }

    /// The bucket that this one mirrors; nil if it is no mirror.
    ///
    /// What is set is written as `BucketOrigin.asMirror` has it: reads are answered by the mirror itself, and it has no
    /// subjects of its own. Taking it away makes a bucket of the mirror (by update: servers from 2.12 on).
    public var mirror: BucketOrigin? {
        get { stream["mirror"].flatMap(BucketOrigin.init) }
        set {
            if let newValue {
                stream["mirror"] = newValue.asMirror.json
                stream["mirror_direct"] = true
                stream["subjects"] = nil
            } else if isMirror {
                stream["mirror"] = nil
                stream["mirror_direct"] = nil
                stream["subjects"] = name.map { [.string($0.subjectPrefix + ">")] }
            }
        }
    }

    /// The buckets and streams whose entries this one takes as well.
    ///
    /// What is set is written as `BucketOrigin.asSource` has it. Without transforms that needs servers from 2.10 on.
    public var sources: [BucketOrigin] {
        get { (stream["sources"]?.array ?? []).compactMap(BucketOrigin.init) }
        set {
            let name = name
            let origins = newValue.map { origin in name.map { origin.asSource(of: $0) } ?? origin }
            stream["sources"] = origins.isEmpty ? nil : .array(origins.map(\.json))
        }
    }
}

extension Duration {
    /// The nanoseconds in it; what does not fit is the nearest number that does.
    package var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        return whole.addingClamped(attoseconds / 1_000_000_000)
    }
}
