import Foundation
import TestSupport
import Testing

@Suite("Migrating a bucket in another domain, and to another place", .serialized)
struct MigrationPlaceTests {
    @Test(
        "The fence keeps writers out across a domain, and the bucket of that name in one's own is not touched",
        arguments: ["2.15.1", "2.12.8", "2.9.10"]
    )
    func domain(version: String) async throws {
        let domains = try await LeafAndHub(try ServerBinary.named(version))
        defer { domains.close() }
        let own = try await domains.leaf.withClient { client in
            try client.createBucket("b", history: 3)
            try client.fill("b", count: 40, keys: 40, size: 30, seed: 2)
            return try client.getAllMessages("KV_b")
        }
        try await domains.hub.withClient { client in
            try client.createBucket("b", history: 64)
            try client.fill("b", count: 3000, keys: 3000, size: 200, seed: 1)
        }
        let writer = BackgroundWriter(
            port: domains.hub.port,
            bucket: "b",
            keys: 500,
            size: 50,
            perSecond: 500,
            seed: 9
        )
        try await eventually("some writes") { writer.written > 100 }
        let result = try await CisternProcess.run(
            [
                "migrate", "b", "--archive", domains.folder.file("a.cistern"), "--set", "storage=memory", "--yes",
                "--json", "-s", domains.leaf.url, "--js-domain", "hub",
            ]
        )
        // The writer does not try again: the first put that finds nobody ends it.
        await #expect(throws: RawNATSError.self) { try await writer.stop() }
        let report = try Report(result)
        #expect(try report.text("outcome") == "migrated")
        let after = try await domains.hub.withClient { try $0.getAllMessages("KV_b") }
        // One more may have been stored without its answer coming back.
        #expect([0, 1].contains(after.count - 3000 - writer.written), "\(writer.written) writes were acknowledged")
        let configuration = try await domains.hub.withClient { try $0.streamInfo("KV_b").configuration }
        #expect(configuration.contains(#""storage":"memory""#) && configuration.contains(#""$KV.b.>""#))
        try await domains.hub.withClient { _ = try $0.put("b", "more", "x") }
        #expect(try await domains.leaf.withClient { try $0.getAllMessages("KV_b") } == own)
        let streams = try await domains.leaf.withClient { try $0.api("STREAM.NAMES")["streams"] as? [String] ?? [] }
        #expect(streams == ["KV_b"], "nothing lands in the leaf's own domain")
    }

    @Test(
        "To the servers with a tag: made anew there, then moved by the cluster itself",
        arguments: ["2.15.1", "2.10.26"]
    )
    func placement(version: String) async throws {
        let cluster = try await ServerCluster.start(try ServerBinary.named(version))
        defer { cluster.close() }
        let folder = try TemporaryDirectory("placement")
        defer { folder.remove() }
        let node = try #require(cluster.nodes.first)
        let before = try await node.withClient { client in
            try client.createBucket("b", history: 5, more: #""placement":{"tags":["site:1"]}"#)
            try client.fill("b", count: 2000, keys: 300, size: 200, seed: 1)
            return try client.getAllMessages("KV_b")
        }
        func isAt(_ place: Int) async throws -> Bool {
            try await node.withClient { client in
                let cluster = try client.api("STREAM.INFO.KV_b")["cluster"] as? [String: Any]
                return cluster?["leader"] as? String == "node-\(place)" && cluster?["replicas"] == nil
            }
        }
        #expect(try await isAt(1))
        let arguments = ["migrate", "b", "--archive", folder.file("a.cistern"), "--yes", "--json", "-s", node.url]
        for (place, settings, outcome) in [
            (2, ["placement.tags=site:2", "max-bytes=64MiB", "history=5"], "changed-in-place"),
            (3, ["placement.tags=site:3", "storage=memory"], "migrated"),
            (1, ["placement.tags=site:1", "storage=file"], "migrated"),
        ] {
            let result = try await CisternProcess.run(arguments + settings.flatMap { ["--set", $0] })
            #expect(result.code == 0, "\(settings): \(result)")
            #expect(try Report(result).text("outcome") == outcome, "\(settings)")
            // The cluster moves it in its own time; the next migration waits for that.
            guard outcome == "migrated" else { continue }
            #expect(try await isAt(place))
            let after = try await node.withClient { try $0.getAllMessages("KV_b") }
            let differences = BucketComparison.differences(
                BucketComparison.newest(5, of: before),
                in: "b",
                after,
                in: "b",
                mode: version == "2.15.1" ? .exact : .replayed
            )
            #expect(differences.isEmpty, "\(settings): \(differences)")
        }
    }
}
