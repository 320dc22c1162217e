import KVModel

/// The sign on a scratch bucket that says which drill made it, so that it may be deleted.
///
/// It stands in the bucket's metadata, or is its description on servers before 2.10, which have no metadata.
struct DrillMark: Sendable, Hashable {
    /// The drill job's name.
    let job: String

    private static let metadataKey = "cistern.drill"
    private static let descriptionStart = "[scratch bucket of the cistern drill "

    private var description: String { "\(Self.descriptionStart)\(job)]" }

    /// The setting that puts the mark on a bucket that is made.
    func setting(hasMetadata: Bool) -> String {
        hasMetadata ? "metadata.\(Self.metadataKey)=\(job)" : "description=\(description)"
    }

    /// Whether a bucket, or what is to become one, bears this mark.
    func isOn(_ configuration: BucketConfiguration) -> Bool {
        // While a bucket is restored its description says that as well, before anything else.
        configuration.metadata[Self.metadataKey] == job || configuration.description.hasSuffix(description)
    }

    /// Whether a bucket is any drill's.
    static func isOnAny(_ configuration: BucketConfiguration) -> Bool {
        configuration.metadata[metadataKey] != nil || configuration.description.contains(descriptionStart)
    }
}
