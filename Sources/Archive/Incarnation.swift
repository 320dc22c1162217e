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

    /// Whether this life of the bucket began after the other one.
    public func isLater(than other: Incarnation) -> Bool {
        let mine = Timestamp(rfc3339: created)
        let theirs = Timestamp(rfc3339: other.created)
        if let mine, let theirs, mine != theirs { return mine > theirs }
        return id.rawValue > other.id.rawValue
    }
}
