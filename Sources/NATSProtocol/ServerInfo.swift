/// What a server says about itself in `INFO`.
///
/// Every key may be missing, unknown keys are passed over, and a key of the wrong type counts as missing: a newer
/// server must never be unusable for what it adds.
public struct ServerInfo: Codable, Sendable, Equatable {
    /// The server's own id, new at each start.
    public var serverID = ""

    /// The server's name.
    public var serverName = ""

    /// The version as written.
    public var versionText = ""

    /// The protocol level.
    public var proto = 0

    /// The commit that the server was built from.
    public var gitCommit: String?

    /// The Go version that the server was built with.
    public var goVersion: String?

    /// The address it listens on, as configured.
    public var host = ""

    /// The port it listens on.
    public var port = 0

    /// Whether headers are supported.
    public var headers = false

    /// The largest message (headers and payload together) that it takes.
    public var maxPayload = 1_048_576

    /// Whether JetStream is enabled on it.
    public var jetstream = false

    /// This connection's number.
    public var clientID: UInt64?

    /// This connection's address as the server sees it.
    public var clientIP: String?

    /// The server's public curve key.
    public var xkey: String?

    /// The JetStream API level that it says it has.
    public var apiLevel: Int?

    /// Whether it demands credentials.
    public var authRequired = false

    /// What an nkey must sign.
    public var nonce: String?

    /// Whether it demands TLS.
    public var tlsRequired = false

    /// Whether it offers TLS.
    public var tlsAvailable = false

    /// Whether it demands a client certificate.
    public var tlsVerify = false

    /// The cluster's name.
    public var cluster: String?

    /// Addresses of the servers of its cluster that clients may use.
    public var connectURLs: [String] = []

    /// The JetStream domain.
    public var domain: String?

    /// Whether it is about to shut down.
    public var lameDuckMode = false

    /// Whether this INFO answers our CONNECT.
    public var connectInfo = false

    /// The account that we are in, if the server tells.
    public var remoteAccount: String?

    /// The version to compare with, nil if it cannot be read.
    public var version: ServerVersion? { ServerVersion(versionText) }

    /// Makes the description of a server that said nothing.
    public init() {}

    enum CodingKeys: String, CodingKey {
        case serverID = "server_id"
        case serverName = "server_name"
        case versionText = "version"
        case proto
        case gitCommit = "git_commit"
        case goVersion = "go"
        case host
        case port
        case headers
        case maxPayload = "max_payload"
        case jetstream
        case clientID = "client_id"
        case clientIP = "client_ip"
        case xkey
        case apiLevel = "api_lvl"
        case authRequired = "auth_required"
        case nonce
        case tlsRequired = "tls_required"
        case tlsAvailable = "tls_available"
        case tlsVerify = "tls_verify"
        case cluster
        case connectURLs = "connect_urls"
        case domain
        case lameDuckMode = "ldm"
        case connectInfo = "connect_info"
        case remoteAccount = "remote_account"
    }

    /// Decodes the JSON of an INFO line.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        // A key of another type than ours is treated as missing, see above.
        func read<Value: Decodable>(_ key: CodingKeys, into value: inout Value) {
            if let found = try? container.decode(Value.self, forKey: key) { value = found }
        }
        read(.serverID, into: &serverID)
        read(.serverName, into: &serverName)
        read(.versionText, into: &versionText)
        read(.proto, into: &proto)
        read(.gitCommit, into: &gitCommit)
        read(.goVersion, into: &goVersion)
        read(.host, into: &host)
        read(.port, into: &port)
        read(.headers, into: &headers)
        read(.maxPayload, into: &maxPayload)
        read(.jetstream, into: &jetstream)
        read(.clientID, into: &clientID)
        read(.clientIP, into: &clientIP)
        read(.xkey, into: &xkey)
        read(.apiLevel, into: &apiLevel)
        read(.authRequired, into: &authRequired)
        read(.nonce, into: &nonce)
        read(.tlsRequired, into: &tlsRequired)
        read(.tlsAvailable, into: &tlsAvailable)
        read(.tlsVerify, into: &tlsVerify)
        read(.cluster, into: &cluster)
        read(.connectURLs, into: &connectURLs)
        read(.domain, into: &domain)
        read(.lameDuckMode, into: &lameDuckMode)
        read(.connectInfo, into: &connectInfo)
        read(.remoteAccount, into: &remoteAccount)
    }
}
