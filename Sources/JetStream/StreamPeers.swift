public import KVModel

/// On which servers a stream is, and how they keep up, as its leader says it.
public struct StreamPeers: Sendable, Hashable {
    /// A server that has a copy of the stream beside the leader.
    public struct Peer: Sendable, Hashable {
        /// The server's name.
        public let name: String
        /// Whether it has all that the leader has.
        public let isCurrent: Bool
        /// Whether the leader does not see it.
        public let isOffline: Bool
        /// How long ago the leader heard of it.
        public let active: Duration
        /// How many operations it is behind.
        public let lag: UInt64
    }

    /// The cluster's name; nil for a server without one.
    public let cluster: String?
    /// The name of the server that leads; nil while none does.
    public let leader: String?
    /// The other servers that have a copy.
    public let peers: [Peer]

    /// Reads the `cluster` part of a reply; nil if it has none.
    init?(_ json: JSONValue?) {
        guard let json, json.object != nil else { return nil }
        func name(_ field: String) -> String? {
            (json[field]?.string).flatMap { $0.isEmpty ? nil : $0 }
        }
        cluster = name("name")
        leader = name("leader")
        peers = (json["replicas"]?.array ?? []).map(Peer.init)
    }
}

extension StreamPeers.Peer {
    init(_ json: JSONValue) {
        name = json["name"]?.string ?? ""
        isCurrent = json["current"]?.bool ?? false
        isOffline = json["offline"]?.bool ?? false
        active = .nanoseconds(json["active"]?.integer ?? 0)
        lag = json["lag"]?.unsigned ?? 0
    }
}

/// How far a mirror, or a stream with sources, has followed one of its origins.
public struct OriginStatus: Sendable, Hashable {
    /// The origin's stream.
    public let name: String
    /// What the origin's API subjects begin with, if it is in another domain or account.
    public let externalAPI: String?
    /// How many messages of the origin are still to come, by the server's estimate.
    public let lag: UInt64
    /// How long ago something came of it; nil as long as nothing has.
    public let lastSeen: Duration?
    /// Why the server cannot follow it; nil where it can.
    public let error: String?

    /// The bucket, if the origin is one.
    public var bucket: BucketName? { BucketName(streamName: name) }

    /// Reads a `mirror` or one of the `sources` of a reply; nil if that names no stream.
    init?(_ json: JSONValue) {
        guard let name = json["name"]?.string else { return nil }
        self.name = name
        externalAPI = json["external"]?["api"]?.string
        lag = json["lag"]?.unsigned ?? 0
        let active = json["active"]?.integer ?? -1
        lastSeen = active < 0 ? nil : .nanoseconds(active)
        error = json["error"]?["description"]?.string
    }
}

extension StreamInfo {
    /// On which servers the stream is; nil where the server does not say it.
    public var peers: StreamPeers? { StreamPeers(reply["cluster"]) }

    /// How far a mirror has followed its origin; nil for other streams.
    public var mirrorStatus: OriginStatus? { reply["mirror"].flatMap(OriginStatus.init) }

    /// How far the stream has followed its sources.
    public var sourceStatuses: [OriginStatus] { (reply["sources"]?.array ?? []).compactMap(OriginStatus.init) }
}
