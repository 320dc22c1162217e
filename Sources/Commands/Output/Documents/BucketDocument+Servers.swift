import JetStream
import KVModel

/// Where a mirror or a source takes its entries from, and how far it is.
struct OriginDocument: Encodable, Hashable, Sendable {
    /// Subjects that are renamed on the way.
    struct Transform: Encodable, Hashable, Sendable {
        var source: String
        var destination: String
    }

    /// The bucket; nil if the stream is none.
    var bucket: String?
    var stream: String
    var externalApi: String?
    var filter: String?
    var startRevision: Revision?
    var startTime: String?
    var transforms: [Transform]?
    /// How many entries it is behind; nil if the server does not say.
    var lag: UInt64?
    /// How long ago it last heard from there; nil if it never did.
    var lastSeenSeconds: Double?
    var error: String?

    /// What a configuration says of an origin, and the server of how far it is.
    init?(_ configured: JSONValue, _ state: JSONValue?) {
        guard let stream = configured["name"]?.string else { return nil }
        self.stream = stream
        bucket = BucketName(streamName: stream)?.rawValue
        externalApi = Self.externalAPI(configured)
        filter = (configured["filter_subject"]?.string).flatMap { $0.isEmpty ? nil : $0 }
        startRevision = (configured["opt_start_seq"]?.unsigned).flatMap { $0 == 0 ? nil : $0 }
        startTime = configured["opt_start_time"]?.string
        let renamed = (configured["subject_transforms"]?.array ?? []).map {
            Transform(source: $0["src"]?.string ?? "", destination: $0["dest"]?.string ?? "")
        }
        transforms = renamed.isEmpty ? nil : renamed
        lag = state?["lag"]?.unsigned
        lastSeenSeconds = PeerTime.seconds(state)
        error = state?["error"]?["description"]?.string
    }

    /// What a mirror mirrors; nil if the bucket is none.
    static func mirror(_ info: StreamInfo) -> OriginDocument? {
        info.configuration["mirror"].flatMap { OriginDocument($0, info.reply["mirror"]) }
    }

    /// The sources of a bucket, in the order of its configuration.
    static func sources(_ info: StreamInfo) -> [OriginDocument] {
        // Servers tell them in any order; the same name may stand there twice, of different domains.
        var states = info.reply["sources"]?.array ?? []
        return (info.configuration["sources"]?.array ?? []).compactMap { configured in
            let index = states.firstIndex {
                $0["name"] == configured["name"] && externalAPI($0) == externalAPI(configured)
            }
            return OriginDocument(configured, index.map { states.remove(at: $0) })
        }
    }

    private static func externalAPI(_ origin: JSONValue) -> String? {
        (origin["external"]?["api"]?.string).flatMap { $0.isEmpty ? nil : $0 }
    }
}

/// The servers that hold a bucket.
struct ClusterDocument: Encodable, Hashable, Sendable {
    /// A server beside the leader.
    struct Replica: Encodable, Hashable, Sendable {
        var name: String
        /// Whether it has all that the leader has.
        var isCurrent: Bool
        var isOffline: Bool
        /// How long ago the leader last heard of it; nil if it never did.
        var lastSeenSeconds: Double?
        /// How many operations it is behind.
        var lag: UInt64
    }

    var name: String?
    /// The leader; nil while there is none.
    var leader: String?
    var replicas: [Replica]

    /// The servers that a stream's info names; nil if it names none.
    init?(_ info: StreamInfo) {
        guard let cluster = info.reply["cluster"], cluster.object != nil else { return nil }
        name = cluster["name"]?.string
        leader = (cluster["leader"]?.string).flatMap { $0.isEmpty ? nil : $0 }
        replicas = (cluster["replicas"]?.array ?? []).map { peer in
            Replica(
                name: peer["name"]?.string ?? "",
                isCurrent: peer["current"]?.bool ?? false,
                isOffline: peer["offline"]?.bool ?? false,
                lastSeenSeconds: PeerTime.seconds(peer),
                lag: peer["lag"]?.unsigned ?? 0
            )
        }
    }
}

/// How long ago a server was heard of.
private enum PeerTime {
    /// Seconds; nil for never, which servers say as a time below zero or as the longest there is.
    static func seconds(_ peer: JSONValue?) -> Double? {
        guard let active = peer?["active"]?.integer, active > 0, active < .max else { return nil }
        return (Double(active) / 1e6).rounded() / 1000
    }
}
