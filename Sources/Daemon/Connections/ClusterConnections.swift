import JetStream
public import KeyValue
public import Logging
import NATSClient
import NATSProtocol
import Replication

/// The connections of a configuration's clusters: one of each, which all runs share.
///
/// A connection is opened when it is first needed, comes back by itself when it is lost, and is opened anew if it was
/// given up. What limits a cluster's bytes a second is shared in the same way.
public actor ClusterConnections {
    /// What is known of a cluster's connection.
    public struct Status: Sendable, Hashable {
        /// The cluster's name in the configuration.
        public let cluster: String
        /// Whether there is a connection now; nil if none has been needed yet, or the last could not be had.
        public let isConnected: Bool?
        /// Why the last attempt to have one failed; nil if it did not, or if there is one by now.
        public let failure: String?

        /// Whether a connection has been needed, and there is none.
        public var isMissing: Bool { isConnected.map { !$0 } ?? (failure != nil) }
    }

    /// A connection, and the tasks that keep it and watch it.
    private struct Open {
        let connection: Connection
        let target: ClusterTarget
        let keeping: Task<Void, Never>
        let watching: Task<Void, Never>
    }

    private var clusters: [String: ClusterSettings]
    private var open: [String: Open] = [:]
    private var rates: [String: SharedRate] = [:]
    /// Why the last attempt to reach a cluster failed: it outlives a connection that never was.
    private var failures: [String: String] = [:]
    private var isClosed = false
    private let environment: [String: String]
    private let version: String
    private let logger: Logger

    /// Connections to clusters, by name; nothing is opened yet.
    ///
    /// - Parameters:
    ///   - clusters: the clusters of the configuration.
    ///   - environment: the program's variables, for contexts of the `nats` CLI.
    ///   - version: the program's version, told to servers.
    ///   - logger: where it is said that a connection was lost, and came back.
    public init(
        _ clusters: [String: ClusterSettings],
        environment: [String: String],
        version: String,
        logger: Logger
    ) {
        self.clusters = clusters
        self.environment = environment
        self.version = version
        self.logger = logger
    }

    /// The buckets of a cluster, once there is a connection; it throws what stands in the way of one.
    public func buckets(of cluster: String) async throws -> Buckets {
        while true {
            let found: Open
            do {
                found = try open[cluster] ?? begin(cluster)
            } catch {
                note(error, of: cluster)
                throw error
            }
            do {
                if found.connection.epoch == 0 {
                    try await found.connection.connect()
                } else {
                    let patience = found.target.configuration.connectTimeout
                    try await found.connection.waitUntilConnected(timeout: patience)
                }
                failures[cluster] = nil
                return Buckets(
                    JetStreamContext(
                        found.connection,
                        domain: found.target.domain,
                        apiPrefix: found.target.apiPrefix,
                        timeout: found.target.configuration.requestTimeout
                    )
                )
            } catch {
                let isOurs = open[cluster]?.connection === found.connection
                // A configuration that was read again gave the cluster another connection meanwhile.
                if !isOurs, (error as? NATSError)?.code == .closed, !Task.isCancelled { continue }
                if isOurs { note(error, of: cluster) }
                // A connection that never was is begun anew by the next run, with files as they are then.
                if isOurs, found.connection.epoch == 0, !(error is CancellationError) {
                    open[cluster] = nil
                    await end(found)
                }
                throw error
            }
        }
    }

    /// The limit that all runs on a cluster share; nil if it has none.
    func rate(of cluster: String) -> SharedRate? {
        guard let bytes = clusters[cluster]?.bytesPerSecond else { return nil }
        if let rate = rates[cluster], rate.bytesPerSecond == max(1, bytes) { return rate }
        let rate = SharedRate(bytesPerSecond: bytes)
        rates[cluster] = rate
        return rate
    }

    /// How the connections are, by name.
    public func status() -> [Status] {
        clusters.keys.sorted().map { cluster in
            let isConnected = open[cluster]?.connection.isConnected
            let failure = isConnected == true ? nil : failures[cluster]
            return Status(cluster: cluster, isConnected: isConnected, failure: failure)
        }
    }

    /// Takes over what a configuration that was read again says; connections to what it changes or leaves out end.
    public func reload(_ clusters: [String: ClusterSettings]) async {
        let before = self.clusters
        self.clusters = clusters
        failures = failures.filter { clusters[$0.key]?.connecting == before[$0.key]?.connecting }
        for (name, connection) in open where clusters[name]?.connecting != before[name]?.connecting {
            open[name] = nil
            logger.info("closing a connection: the configuration has changed", metadata: ["cluster": "\(name)"])
            await end(connection)
        }
        rates = rates.filter { clusters[$0.key]?.bytesPerSecond == before[$0.key]?.bytesPerSecond }
    }

    /// Closes all connections; no other is opened.
    public func close() async {
        isClosed = true
        let all = open.values
        open = [:]
        for connection in all { await end(connection) }
    }

    private func begin(_ cluster: String) throws -> Open {
        guard !isClosed else { throw DaemonError(.stopped, text: "the daemon is stopping") }
        guard let settings = clusters[cluster] else {
            throw DaemonError(
                .configuration,
                text: "the configuration names no cluster \"\(cluster)\"",
                hint: "it was read again, and the cluster is gone; change the job as well"
            )
        }
        let target = try settings.target(environment: environment, version: version)
        var logger = logger
        logger[metadataKey: "cluster"] = "\(cluster)"
        // What the connection says of its coming and going is said here, with the cluster's name.
        var quiet = logger
        if quiet.logLevel == .info { quiet.logLevel = .notice }
        let connection = Connection(target.configuration, logger: quiet)
        let events = connection.events()
        let opened = Open(
            connection: connection,
            target: target,
            keeping: Task { [weak self, logger] in
                var reason: (any Error)?
                do {
                    try await connection.run()
                } catch {
                    logger.warning("the connection was given up", metadata: ["reason": "\(error)"])
                    reason = error
                }
                await self?.ended(cluster, connection, reason)
            },
            watching: Task { [logger] in
                for await event in events { Self.say(event, logger) }
            }
        )
        open[cluster] = opened
        return opened
    }

    private func ended(_ cluster: String, _ connection: Connection, _ reason: (any Error)?) {
        guard open[cluster]?.connection === connection else { return }
        if let reason { note(reason, of: cluster) }
        open[cluster] = nil
    }

    /// Remembers why a cluster cannot be had.
    private func note(_ error: any Error, of cluster: String) {
        // Whoever gave up waiting, or stops, says nothing of the cluster.
        guard !isClosed, !Task.isCancelled, !(error is CancellationError), clusters[cluster] != nil else { return }
        failures[cluster] = "\(error)"
    }

    private func end(_ open: Open) async {
        await open.connection.close()
        await open.keeping.value
        await open.watching.value
    }

    private static func say(_ event: ConnectionEvent, _ logger: Logger) {
        switch event {
        case .connected(let server): logger.info("connected", metadata: ["server": "\(server)"])
        case .disconnected(let reason): logger.warning("the connection was lost", metadata: ["reason": "\(reason)"])
        case .connecting, .connectFailed, .reconnecting, .discovered, .lameDuck, .serverError, .draining, .closed:
            break
        }
    }
}
