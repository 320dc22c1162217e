import KVModel
import Replication
import TestSupport
import Testing

@Suite("Exact restore into a cluster", .serialized)
struct ExactClusterTests {
    private static let binaries =
        isLongRun
        ? ServerBinary.all
        : ServerBinary.all.filter { binary in
            ["2.15.1", "2.12.8", "2.9.10"].contains(binary.version)
        }

    @Test("Three replicas hold the same, also after the leader was killed", arguments: binaries)
    func replicas(binary: ServerBinary) async throws {
        let cluster = try await ServerCluster.start(binary)
        defer { cluster.close() }
        var rig = try await ExactRig(on: cluster.nodes[0])
        try await rig.prepare(ExactRig.entries(3000))
        var copies = ["file"]
        if binary.isAtLeast("2.12") { copies.append("memory") }
        for storage in copies {
            let report = try await rig.restore(storage, mode: .auto, ["replicas=3", "storage=\(storage)"])
            #expect(report.mode == .exact)
            try await rig.expectExact(storage)
        }
        let leader = try await rig.server.withClient { client in
            let cluster = try client.api("STREAM.INFO.KV_file")["cluster"] as? [String: Any]
            return cluster?["leader"] as? String
        }
        let index = try #require(["node-1", "node-2", "node-3"].firstIndex(of: leader ?? ""))
        try await cluster.nodes[index].kill()
        let other = cluster.nodes[(index + 1) % 3]
        let expected = rig.messages
        for copy in copies {
            try await eventually("a new leader of \(copy)") {
                try await Self.ask(other) { try $0.streamInfo("KV_" + copy).messages } == UInt64(expected.count)
            }
            let found = try await other.withClient { try $0.getAllMessages("KV_" + copy) }
            let differences = BucketComparison.differences(expected, in: "src", found, in: copy, mode: .exact)
            #expect(differences.isEmpty, "\(differences.joined(separator: "\n"))")
        }
        let last = rig.last
        try await eventually("the bucket to take writes") {
            try await Self.ask(other) { try $0.put("file", "after", "value") } == last + 1
        }
    }

    @Test(
        "It is finished when all servers hold it",
        arguments: isLongRun ? ServerBinary.all : ServerBinary.all.filter { $0.version == "2.12.8" }
    )
    func copies(binary: ServerBinary) async throws {
        let cluster = try await ServerCluster.start(binary)
        defer { cluster.close() }
        var rig = try await ExactRig(on: cluster.nodes[0])
        try await rig.prepare(20_000)
        // Comparing takes longer than the other servers need.
        _ = try await rig.restore("copy", ["replicas=3"], change: { $0.verifies = false })
        let current = try await rig.server.withClient { client in
            let cluster = try client.api("STREAM.INFO.KV_copy")["cluster"] as? [String: Any]
            let replicas = cluster?["replicas"] as? [[String: Any]] ?? []
            return replicas.map { $0["current"] as? Bool ?? false }
        }
        #expect(current == [true, true])
    }

    /// Asks with little patience: while there is no leader nobody answers.
    private static func ask<Value: Sendable>(
        _ server: ServerProcess,
        _ body: @escaping @Sendable (RawNATS) throws -> Value
    ) async throws -> Value? {
        let port = server.port
        return try await onOwnThread {
            do {
                let client = try RawNATS(port: port, timeout: 2)
                defer { client.close() }
                return try body(client)
            } catch is RawNATSError {
                return nil
            }
        }
    }
}
