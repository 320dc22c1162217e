import JetStream
import KVModel
import KeyValue
import NATSProtocol
import TestSupport
import Testing

/// What takes several servers: replicas, placement, peers.
@Suite("Management of buckets in a cluster")
struct ManagementClusterTests {
    @Test("8.12 placement by cluster and tags; 8.25 the status says the peers", arguments: ["2.15.1", "2.10.26"])
    func placement(version: String) async throws {
        let cluster = try await ServerCluster.start(try .named(version))
        defer { cluster.close() }
        try await withBuckets(at: cluster.nodes[0].url) { buckets in
            var configuration = BucketConfiguration(name: try BucketName("placed"))
            configuration.placement = .init(cluster: "test", tags: ["site:2"])
            let placed = try await buckets.create(configuration)
            #expect(placed.configuration.placement == configuration.placement)
            let leader = try await KeyValueBucket(placed).status().cluster
            #expect(leader?.cluster == "test" && leader?.leader == "node-2" && leader?.peers.isEmpty == true)

            configuration = BucketConfiguration(name: try BucketName("nowhere"))
            configuration.placement = .init(tags: ["site:9"])
            let nowhere = configuration
            await #expect {
                try await buckets.create(nowhere)
            } throws: { error in
                (error as? JetStreamError)?.serverCode == 10_005
            }

            configuration = BucketConfiguration(name: try BucketName("three"))
            configuration.replicas = 3
            let bucket = KeyValueBucket(try await buckets.create(configuration))
            for value in 0..<100 { try await bucket.put(Key("k\(value)"), "v") }
            try await eventually("the copies to have it all", timeout: .seconds(20)) {
                let peers = try await bucket.status().cluster?.peers ?? []
                return peers.count == 2 && peers.allSatisfy { $0.isCurrent && !$0.isOffline && $0.lag == 0 }
            }
            let status = try #require(try await bucket.status().cluster)
            let all = status.peers.map(\.name) + [try #require(status.leader)]
            #expect(all.sorted() == ["node-1", "node-2", "node-3"])
        }
    }
}
