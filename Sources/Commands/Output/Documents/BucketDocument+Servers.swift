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
    init(_ origin: BucketOrigin, _ status: OriginStatus?) {
        bucket = origin.bucket?.rawValue
        stream = origin.name
        externalApi = origin.externalAPI
        filter = origin.keys?.description
        startRevision = origin.startSequence
        startTime = origin.startTime?.description
        let renamed = origin.transforms.map { Transform(source: $0.source, destination: $0.destination) }
        transforms = renamed.isEmpty ? nil : renamed
        lag = status?.lag
        lastSeenSeconds = PeerTime.seconds(status?.lastSeen)
        error = status?.error
    }

    /// The sources of a bucket, in the order of its configuration.
    static func sources(_ configuration: BucketConfiguration, _ info: StreamInfo) -> [OriginDocument] {
        // Servers tell them in any order; the same name may stand there twice, of different domains.
        var statuses = info.sourceStatuses
        return configuration.sources.map { origin in
            let index = statuses.firstIndex { $0.name == origin.name && $0.externalAPI == origin.externalAPI }
            return OriginDocument(origin, index.map { statuses.remove(at: $0) })
        }
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

    /// The servers that a stream's info names.
    init(_ peers: StreamPeers) {
        name = peers.cluster
        leader = peers.leader
        replicas = peers.peers.map { peer in
            Replica(
                name: peer.name,
                isCurrent: peer.isCurrent,
                isOffline: peer.isOffline,
                lastSeenSeconds: PeerTime.seconds(peer.active),
                lag: peer.lag
            )
        }
    }
}

/// How long ago a server was heard of.
private enum PeerTime {
    /// Seconds; nil for never, which servers say as a time below zero or as the longest there is.
    static func seconds(_ active: Duration?) -> Double? {
        guard let active, active > .zero, active < Duration.nanoseconds(Int64.max) else { return nil }
        return active.milliseconds
    }
}
