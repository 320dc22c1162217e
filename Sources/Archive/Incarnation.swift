public import KVModel

/// The number of an incarnation in its archive.
public struct IncarnationID: Hashable, Sendable {
    /// The number.
    public let rawValue: Int64

    /// The incarnation of this number.
    public init(rawValue: Int64) {
        self.rawValue = rawValue
    }
}

/// One life of a bucket on one cluster; a recreated bucket is another one.
public struct Incarnation: Sendable, Hashable {
    /// Its number in the archive.
    public let id: IncarnationID
    /// The cluster's name.
    public let cluster: String
    /// The bucket.
    public let bucket: BucketName
    /// When the bucket's stream was created, as the server says it: this tells one life from another.
    public let created: String
    /// The keys that are captured of it, in their canonical form; every key if there are no patterns.
    public let filter: [KeyPattern]

    init(id: IncarnationID, cluster: String, bucket: BucketName, created: String, filter: [KeyPattern] = []) {
        self.id = id
        self.cluster = cluster
        self.bucket = bucket
        self.created = created
        self.filter = filter
    }

    /// Whether this life of the bucket began after the other one.
    public func isLater(than other: Incarnation) -> Bool {
        let mine = Timestamp(rfc3339: created)
        let theirs = Timestamp(rfc3339: other.created)
        if let mine, let theirs, mine != theirs { return mine > theirs }
        return id.rawValue > other.id.rawValue
    }
}

extension Incarnation {
    /// The filter as it is stored: the patterns with spaces between, which no pattern has.
    var filterText: String { filter.map(\.description).joined(separator: " ") }

    /// Reads a stored filter.
    static func filter(_ text: String) throws(ModelError) -> [KeyPattern] {
        var patterns: [KeyPattern] = []
        for part in text.split(separator: " ", omittingEmptySubsequences: true) {
            patterns.append(try KeyPattern(String(part)))
        }
        return KeyPattern.canonical(patterns)
    }
}
