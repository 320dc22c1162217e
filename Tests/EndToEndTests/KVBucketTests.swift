import Foundation
import TestSupport
import Testing

@Suite("kv: buckets")
struct KVBucketTests {
    @Test("A bucket is made with all settings, changed in place, and says them")
    func settings() async throws {
        let rig = try await Rig(options: .init(configuration: #"server_tags: ["ssd", "site:1"]"#))
        defer { rig.close() }
        let made = try await rig.kvDocument([
            "add", "b", "--history", "5", "--ttl", "1h", "--storage", "m", "--max-value-size", "1K",
            "--max-bucket-size", "1M", "--description", "what for", "--compress", "--metadata", "team=a",
            "--marker-ttl", "2m", "--tags", "ssd", "--republish-source", "$KV.b.>", "--republish-destination",
            "changed.>", "--republish-headers",
        ])
        let expected: [String: JSON] = [
            "bucket": "b", "history": 5, "ttl_seconds": 3600, "storage": "memory", "max_value_size": 1024,
            "max_bytes": 1_048_576, "description": "what for", "compression": true, "metadata": ["team": "a"],
            "limit_marker_ttl_seconds": 120, "per_key_ttl": true, "placement": ["tags": ["ssd"]],
            "republish": ["source": "$KV.b.>", "destination": "changed.>", "headers_only": true],
            "backing_store": "JetStream", "is_mirror": false, "allow_direct": true, "replicas": 1, "entries": 0,
        ]
        for (name, value) in expected { #expect(made[name] == value, "\(name)") }
        #expect(made["cluster"]?["leader"] != nil)

        let edited = try await rig.kvDocument([
            "edit", "b", "--history", "7", "--max-bucket-size", "-1", "--no-compress", "--metadata", "rank=1",
            "--republish-destination", "", "--tags", "site:1",
        ])
        let changed: [String: JSON?] = [
            "history": 7, "max_bytes": -1, "compression": false, "metadata": ["team": "a", "rank": "1"],
            "republish": nil, "placement": ["tags": ["site:1"]],
        ]
        for (name, value) in expected.mapValues(Optional.some).merging(changed, uniquingKeysWith: { $1 }) {
            #expect(edited[name] == value, "\(name)")
        }
        #expect(try await rig.kvDocument(["update", "b", "--description", "x"])["description"] == "x")
        #expect(try await rig.kvResult(["edit", "b", "--history", "7"]).errorText.contains("already"))

        let text = try await rig.kv(["info", "b"])
        for words in [
            "Information for Key-Value bucket b\n", "\nConfiguration:\n", "History kept:", "Per-key TTL:",
            "Limit markers:", "2m\n", "Placed on servers with tags: site:1", "\nMetadata:\n", "team: a",
            "\nCluster:\n", "Leader:", "Backing store:", "JetStream stream:", "KV_b\n",
        ] {
            #expect(text.contains(words), "\(words)")
        }
        for name in ["view", "status"] {
            #expect(try await rig.kvDocument([name, "b"])["history"] == 7)
        }
        let again = try await rig.kvResult(["add", "b"], code: 73)
        #expect(again.errorText.contains("bucket b exists already"))
    }

    @Test("What servers do not change in place is refused before anything changes")
    func unchangeable() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.kv(["add", "b"])
        let storage = try await rig.kvResult(["edit", "b", "--history", "3", "--set", "storage=memory"], code: 1)
        #expect(storage.errorText.contains("storage of bucket b cannot be changed in place"))
        #expect(storage.errorText.contains("cistern migrate b --set storage=VALUE"))
        let replicas = try await rig.kvResult(["edit", "b", "--replicas", "3"], code: 1)
        #expect(replicas.errorText.contains("replicas of bucket b cannot be changed in place"))
        #expect(try await rig.kvDocument(["info", "b"])["history"] == 1)
        let headers = try await rig.kvResult(["edit", "b", "--republish-headers"], code: 64)
        #expect(headers.errorText.contains("say where to republish to"))
        let old = try await Rig(try ServerBinary.named("2.9.10"))
        defer { old.close() }
        try await old.kv(["add", "b"])
        let compress = try await old.kvResult(["edit", "b", "--compress"], code: 1)
        #expect(compress.errorText.contains("2.10"))
    }

    @Test("Mirrors and sources are made, followed and told")
    func origins() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        for name in ["a", "c"] {
            try await rig.kv(["add", name])
            try await rig.kv(["put", name, "from.\(name)", name])
        }
        try await rig.kv(["add", "near", "--mirror", "a"])
        try await rig.kv(["add", "both", "--source", "a"])
        let edited = try await rig.kvDocument(["edit", "both", "--source", "c"])
        #expect(edited["sources"]?[0]?["bucket"] == "a" && edited["sources"]?[1]?["bucket"] == "c")
        #expect(edited["sources"]?[1]?["transforms"]?[0] == ["source": "$KV.c.>", "destination": "$KV.both.>"])
        try await eventually("the entries to arrive") {
            let near = try await rig.messages("near").count
            let both = try await rig.messages("both").count
            return near == 1 && both == 2
        }
        #expect(try await rig.kv(["get", "near", "from.a", "--raw"]) == "a")
        #expect(try await rig.kv(["get", "both", "from.c", "--raw"]) == "c")
        try await eventually("the mirror to be told as caught up") {
            try await rig.kvDocument(["info", "near"])["mirror"]?["lag"] == 0
        }
        let mirror = try await rig.kvDocument(["info", "near"])
        #expect(mirror["is_mirror"] == true && mirror["mirror"]?["bucket"] == "a")
        let text = try await rig.kv(["info", "near"])
        #expect(text.contains("\nMirror:\n") && text.contains("Origin bucket: a") && text.contains("Last seen:"))
        let sources = try await rig.kv(["info", "both"])
        #expect(sources.contains("\nSources:\n") && sources.contains("Source bucket: c"))
        let own = try await rig.kvDocument(["edit", "near", "--no-mirror"])
        #expect(own["is_mirror"] == false && own["mirror"] == nil)
        try await rig.kv(["put", "near", "own", "1"])
        #expect(try await rig.kv(["get", "near", "own", "--raw"]) == "1")

        let far = try await rig.kvDocument(["add", "far", "--mirror", "KV_a", "--mirror-domain", "hub"])
        #expect(far["mirror"]?["external_api"] == "$JS.hub.API" && far["mirror"]?["bucket"] == "a")
    }

    @Test("A bucket in a cluster says where it is and how its replicas do")
    func cluster() async throws {
        let cluster = try await ServerCluster.start()
        defer { cluster.close() }
        let rig = try Rig(on: cluster.nodes[0])
        try await rig.kv(["add", "b", "--replicas", "3", "--cluster", "test"])
        let document = try await rig.kvDocument(["info", "b"])
        #expect(document["placement"] == ["cluster": "test", "tags": []])
        guard case .list(let replicas)? = document["cluster"]?["replicas"] else {
            Issue.record("no replicas in \(document)")
            return
        }
        #expect(replicas.count == 2 && document["cluster"]?["name"] == "test")
        let text = try await rig.kv(["info", "b"])
        #expect(text.contains("Placed in cluster:") && text.contains("Replica: node-"))
        #expect(try await rig.kvDocument(["edit", "b", "--replicas", "1"])["replicas"] == 1)
    }

    @Test("Buckets go only by force or by an answer, and a mistyped name is told its like")
    func removal() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.kv(["add", "orders"])
        try await rig.kv(["put", "orders", "k", "v"])
        let refused = try await rig.kvResult(["del", "orders"], code: 64)
        #expect(refused.errorText.contains("give --force"))
        try await rig.kvResult(["del", "orders", "", "--force"], code: 64)
        #expect(try await rig.kv(["rm", "orders", "--dry-run"]).contains("orders would be deleted: 1 entry"))
        #expect(
            try await rig.kvDocument(["rm", "orders", "--dry-run"]) == [
                "bucket": "orders", "is_dry_run": true, "entries": 1,
            ]
        )
        for command in [
            ["info"], ["get", "k"], ["edit", "--history", "2"], ["ls"], ["rm", "--force"], ["compact", "-f"],
        ] {
            let result = try await rig.kvResult([command[0], "ordrs"] + command.dropFirst(), code: 1)
            #expect(result.errorText.contains("there is no bucket ordrs"))
            #expect(result.errorText.contains("did you mean orders?"))
        }
        let nameless = try await rig.kvResult(["info"], code: 64)
        #expect(nameless.errorText.contains("no bucket is named"))
        let unlike = try await rig.kvResult(["info", "nothing"], code: 1)
        #expect(unlike.errorText.contains("cistern kv ls") && !unlike.errorText.contains("did you mean"))
        #expect(try await rig.kvDocument(["del", "orders", "--force"])["is_dry_run"] == false)
        #expect(try await rig.kv(["ls", "--names"]).isEmpty)
    }
}
