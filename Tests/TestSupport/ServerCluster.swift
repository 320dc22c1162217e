import Foundation

/// Several servers that form one JetStream cluster over loopback routes.
public final class ServerCluster: Sendable {
    /// The nodes, named `node-1`, `node-2` and so on.
    public let nodes: [ServerProcess]

    /// Starts the nodes and waits until a stream with as many replicas can be made.
    ///
    /// Each has a tag with its number, `site:1` and so on. Unless they advertise, clients learn of no other addresses
    /// than those that they were given: what goes through proxies stays there.
    public static func start(
        _ binary: ServerBinary? = nil,
        nodes count: Int = 3,
        configuration: String = "",
        advertises: Bool = true
    ) async throws -> ServerCluster {
        let binary = try binary ?? ServerBinary.newest
        return try await onOwnThread {
            // About one new cluster of 2.10.26 in twenty elects a leader before all have met: that one never learns of
            // the third node, refuses every stream of three replicas (10005), and nothing helps but to begin anew.
            var attempts = 0
            while true {
                let cluster = try launch(binary, count, configuration, advertises)
                do {
                    try cluster.awaitReplicas()
                    return cluster
                } catch let error as TimeoutError {
                    cluster.close()
                    attempts += 1
                    if attempts == 3 { throw error }
                }
            }
        }
    }

    private static func launch(
        _ binary: ServerBinary,
        _ count: Int,
        _ configuration: String,
        _ advertises: Bool
    ) throws -> ServerCluster {
        let routes = try (0..<count).map { _ in try FreePort.next() }
        let urls = routes.map { "\"nats://127.0.0.1:\($0)\"" }.joined(separator: ", ")
        let nodes = try routes.enumerated().map { index, route in
            var options = ServerProcess.Options()
            options.name = "node-\(index + 1)"
            options.configuration = """
                cluster {
                    name: "test", listen: "127.0.0.1:\(route)", routes: [\(urls)], no_advertise: \(!advertises)
                }
                server_tags: ["site:\(index + 1)"]
                \(configuration)
                """
            return try ServerProcess(binary, in: TemporaryDirectory("node\(index + 1)"), options: options)
        }
        for node in nodes { try node.launch() }
        return ServerCluster(nodes: nodes)
    }

    init(nodes: [ServerProcess]) {
        self.nodes = nodes
    }

    /// Kills all nodes and removes their directories.
    public func close() {
        for node in nodes { node.close() }
    }

    private func awaitReplicas() throws {
        guard let first = nodes.first else { return }
        // A stream that was asked for before every node was known may stay without a leader: each attempt has its own.
        var attempts = 0
        try waitOnThread("a cluster of \(nodes.count) nodes", seconds: 40) {
            attempts += 1
            do {
                // Each attempt leaves a stream behind that costs elections: a slow machine gets more time for fewer.
                let client = try RawNATS(port: first.port, timeout: min(2 * attempts, 15))
                defer { client.close() }
                try client.createStream(
                    #"{"name":"ready\#(attempts)","subjects":["ready.\#(attempts)"],"storage":"memory","#
                        + #""num_replicas":\#(nodes.count)}"#
                )
                return true
            } catch is RawNATSError {
                return false
            }
        }
        try waitOnThread("the end of the streams that were tried", seconds: 60) {
            do {
                let client = try RawNATS(port: first.port, timeout: 5)
                defer { client.close() }
                let left = try client.api("STREAM.NAMES")["streams"] as? [String] ?? []
                for stream in left { try client.deleteStream(stream) }
                return left.isEmpty
            } catch is RawNATSError {
                return false
            }
        }
    }
}
