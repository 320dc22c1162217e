/// The JSON of the `CONNECT` line.
///
/// It holds secrets: it is encoded and sent, never logged.
public struct ConnectOptions: Encodable, Sendable, Equatable {
    /// Whether every operation is to be answered by `+OK`.
    public var verbose = false

    /// Whether the server is to check subjects strictly.
    public var pedantic = false

    /// Whether this side demands TLS.
    public var tlsRequired = false

    /// The connection's name, for those who look at the server.
    public var name: String?

    /// The language of this client.
    public var language = "swift"

    /// The version of this client.
    public var version: String

    /// The protocol level: 1 means that INFO may come at any time.
    public var protocolLevel = 1

    /// Whether our own messages come back to our own subscriptions.
    public var echo = true

    /// Whether we understand headers.
    public var headers = true

    /// Whether a request that nobody listens to is to be answered at once.
    public var noResponders = true

    /// The user's name.
    public var user: String?

    /// The user's password.
    public var password: String?

    /// The token.
    public var token: String?

    /// The user JWT.
    public var jwt: String?

    /// The public nkey.
    public var nkey: String?

    /// The signature of the server's nonce.
    public var signature: String?

    /// Makes options without credentials.
    public init(version: String) {
        self.version = version
    }

    enum CodingKeys: String, CodingKey {
        case verbose
        case pedantic
        case tlsRequired = "tls_required"
        case name
        case language = "lang"
        case version
        case protocolLevel = "protocol"
        case echo
        case headers
        case noResponders = "no_responders"
        case user
        case password = "pass"
        case token = "auth_token"
        case jwt
        case nkey
        case signature = "sig"
    }
}
