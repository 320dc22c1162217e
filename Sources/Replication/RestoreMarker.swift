import Archive
import Crypto
public import KVModel

/// The sign on a bucket that a restore has begun and not finished, and what it is restoring.
///
/// It stands in the bucket's metadata, or at the front of its description on servers before 2.10, which have no
/// metadata. The last step of a restore takes it away, so a bucket that carries it is not finished, whoever looks.
public struct RestoreMarker: Sendable, Hashable {
    /// What is being restored: cluster, bucket, incarnation, revision and choice of entries.
    public let source: String

    private static let metadataKey = "cistern.restore-incomplete"
    private static let descriptionStart = "[restore incomplete: "

    /// A marker for this source.
    public init(source: String) {
        self.source = source
    }

    /// The marker for restoring a state of an incarnation.
    init(_ incarnation: Incarnation, revision: Revision, options: RestoreOptions) {
        var text = "\(incarnation.cluster)/\(incarnation.bucket) created \(incarnation.created) revision \(revision)"
        if options.history != .bucket { text += " history \(options.history.rawValue)" }
        if !options.filter.isEmpty { text += " keys \(options.filter.map(\.description).joined(separator: " "))" }
        if !options.mapping.isIdentity { text += " map \(options.mapping)" }
        source = text
    }

    /// Finds the marker on a bucket; nil if it has none.
    public init?(_ configuration: BucketConfiguration) {
        if let source = configuration.metadata[Self.metadataKey] {
            self.source = source
        } else if configuration.description.hasPrefix(Self.descriptionStart),
            let end = configuration.description.firstIndex(of: "]")
        {
            let start = configuration.description.index(
                configuration.description.startIndex,
                offsetBy: Self.descriptionStart.count
            )
            source = String(configuration.description[start..<end])
        } else {
            return nil
        }
    }

    /// Puts the marker on a configuration.
    func mark(_ configuration: BucketConfiguration, hasMetadata: Bool) -> BucketConfiguration {
        var marked = configuration
        if hasMetadata {
            marked.metadata[Self.metadataKey] = source
        } else {
            marked.description = Self.descriptionStart + source + "] " + configuration.description
        }
        return marked
    }
}

/// How a replayed entry says which archived entry it is: `cistern:<incarnation>:<revision>` in `Nats-Msg-Id`.
struct ReplayIdentity: Sendable, Hashable {
    /// What the ids of one incarnation begin with.
    let prefix: [UInt8]

    /// The same as a number.
    let number: UInt64

    private static let opening = "cistern:"

    init(_ incarnation: Incarnation) {
        self.init(cluster: incarnation.cluster, bucket: incarnation.bucket, created: incarnation.created)
    }

    /// The identity of a life of a bucket, whether an archive knows it or not.
    init(cluster: String, bucket: BucketName, created: String) {
        let name = "\(cluster)/\(bucket)@\(created)"
        let digest = SHA256.hash(data: Array(name.utf8)).prefix(8)
        let digits = digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        prefix = Array("\(Self.opening)\(digits):".utf8)
        number = digest.reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The incarnation and the revision that any replayed entry's id names; nil if the id is nothing of ours.
    static func origin(_ id: UnsafeRawBufferPointer) -> (source: UInt64, revision: Revision)? {
        guard id.starts(with: opening.utf8) else { return nil }
        let parts = String(decoding: id.dropFirst(opening.utf8.count), as: UTF8.self).split(separator: ":")
        guard parts.count == 2, parts[0].utf8.count == 16, let source = UInt64(parts[0], radix: 16),
            let revision = Revision(parts[1])
        else { return nil }
        return (source, revision)
    }

    /// The archived revision that a header block names; nil if it is not of this incarnation.
    func revision(in headers: UnsafeRawBufferPointer) -> Revision? {
        guard let id = HeaderBlock.value(of: "Nats-Msg-Id", in: headers), id.count > prefix.count,
            id.prefix(prefix.count).elementsEqual(prefix)
        else { return nil }
        return Revision(String(decoding: id.dropFirst(prefix.count), as: UTF8.self))
    }
}
