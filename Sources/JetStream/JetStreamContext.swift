import Foundation
public import KVModel
public import NATSClient
public import NATSProtocol
import NIOCore

// JetStream speaks the server's `$JS.API`: streams, messages, ordered consumers, acknowledged publishes. It knows no
// buckets (that is KeyValue) and no sockets (NATSClient): it turns typed calls into requests and replies into values,
// and every refusal into a `JetStreamError` with the server's `err_code`. It never retries a write by itself, because
// only the caller knows whether that would store something twice. Configurations travel as the server's own JSON, so
// that fields of newer servers survive. Start with `JetStreamContext`; the hot paths are `OrderedConsumer` (reading)
// and `PublishPipeline` (writing), both in batches.

/// JetStream on one connection: where its API listens and how long to wait for it.
public struct JetStreamContext: Sendable {
    /// The connection that requests go over.
    public let connection: Connection
    /// What every API subject begins with: `$JS.API`, or another domain's or account's prefix.
    public let apiPrefix: String
    /// How long a request may take.
    public let timeout: Duration

    /// JetStream of the connection's own account.
    ///
    /// With a `domain` its API is `$JS.<domain>.API`; `apiPrefix` names another prefix outright and wins over it.
    public init(
        _ connection: Connection,
        domain: String? = nil,
        apiPrefix: String? = nil,
        timeout: Duration = .seconds(5)
    ) {
        self.connection = connection
        self.timeout = timeout
        if let apiPrefix, !apiPrefix.isEmpty {
            self.apiPrefix = apiPrefix.hasSuffix(".") ? String(apiPrefix.dropLast()) : apiPrefix
        } else if let domain, !domain.isEmpty {
            self.apiPrefix = "$JS.\(domain).API"
        } else {
            self.apiPrefix = "$JS.API"
        }
    }

    /// Where to publish so that a message reaches a subject of this JetStream.
    ///
    /// Plain subjects do not cross domains, the API's do: behind a prefix the subject follows the prefix.
    public func publishSubject(_ subject: String) -> String {
        apiPrefix == "$JS.API" ? subject : "\(apiPrefix).\(subject)"
    }

    /// The version of the server at the other end; 0.0.0 while there is no connection.
    public var serverVersion: ServerVersion {
        connection.serverInfo?.version ?? ServerVersion(major: 0, minor: 0, patch: 0)
    }

    /// Whether the server at the other end is of a version, such as 2.10, or newer.
    public func serverIsAtLeast(_ major: Int, _ minor: Int) -> Bool {
        serverVersion >= ServerVersion(major: major, minor: minor, patch: 0)
    }

    /// The largest message, headers and payload together, that the server takes.
    public var maximumPayload: Int {
        connection.serverInfo?.maxPayload ?? .max
    }

    /// What the cluster calls itself, or the domain of a server without one; nil for a server with neither.
    public var clusterName: String? {
        let info = connection.serverInfo
        return [info?.cluster, info?.domain].compactMap { $0 }.first { !$0.isEmpty }
    }

    /// How long a cluster may go without a leader before that is an error: elections take a few seconds.
    static let electionPatience = Duration.seconds(10)

    /// Sends an API request and gives its reply, or throws what the server refused it with.
    ///
    /// A cluster that has no leader yet takes nothing of what it refuses: it is asked again.
    public func request(_ verb: String, _ body: JSONValue? = nil, timeout: Duration? = nil) async throws -> JSONValue {
        let deadline = ContinuousClock.now + Self.electionPatience
        while true {
            do {
                return try await requestOnce(verb, body, timeout: timeout)
            } catch let error as JetStreamError where error.isLeaderless && ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(250))
            }
        }
    }

    private func requestOnce(_ verb: String, _ body: JSONValue?, timeout: Duration?) async throws -> JSONValue {
        let subject = "\(apiPrefix).\(verb)"
        var payload = ByteBuffer()
        if let body { payload.writeBytes(try JSONEncoder().encode(body)) }
        let reply: Message
        do {
            reply = try await connection.request(subject, payload: payload, timeout: timeout ?? self.timeout)
        } catch let error as NATSError where error.code == .noResponders {
            throw JetStreamError(code: .unavailable, subject: subject, text: "nobody answers", hint: unavailableHint)
        }
        return try Self.decode(reply, subject: subject)
    }

    /// What the account may use and uses: memory, storage, streams, the API level.
    public func accountInformation() async throws -> JSONValue {
        try await request("INFO")
    }

    private var unavailableHint: String {
        guard apiPrefix == "$JS.API" else {
            return "check the domain or API prefix: nothing listens on \(apiPrefix)"
        }
        return connection.serverInfo?.jetstream == true
            ? "the server has JetStream, but not for this account, or it is still starting"
            : "the server runs without JetStream: start it with -js, or name the right server"
    }

    static func decode(_ reply: Message, subject: String) throws -> JSONValue {
        let value: JSONValue
        do {
            value = try JSONDecoder().decode(JSONValue.self, from: Data(reply.payload.readableBytesView))
        } catch {
            throw JetStreamError(code: .malformedReply, subject: subject, text: "the reply is not JSON")
        }
        if let refusal = value["error"] {
            throw JetStreamError(refusal: refusal, subject: subject)
        }
        return value
    }
}
