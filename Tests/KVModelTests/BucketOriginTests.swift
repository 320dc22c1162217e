import KVModel
import Testing

@Suite("Origins of mirrors and sources")
struct BucketOriginTests {
    private func bucket(_ name: String) throws -> BucketName {
        try BucketName(name)
    }

    @Test("57.93 a mirror's name gets KV_ if it lacks it, and reads are answered by the mirror")
    func mirror() throws {
        for name in ["ORDERS", "KV_ORDERS"] {
            var configuration = BucketConfiguration(name: try bucket("copy"))
            configuration.mirror = BucketOrigin(name: name)
            #expect(configuration.stream["mirror"] == ["name": "KV_ORDERS"])
            #expect(configuration.stream["mirror_direct"] == true)
            #expect(configuration.stream["subjects"] == nil)
            configuration.mirror = nil
            #expect(configuration == BucketConfiguration(name: try bucket("copy")))
        }
        var plain = BucketConfiguration(name: try bucket("copy"))
        plain.stream["subjects"] = ["fence.copy.>"]
        plain.mirror = nil
        #expect(plain.stream["subjects"] == ["fence.copy.>"])
    }

    @Test("57.94 a mirror begins where it is told, with the keys it is told")
    func mirrorParts() throws {
        var configuration = BucketConfiguration(name: try bucket("copy"))
        var origin = BucketOrigin(try bucket("ORDERS"), keys: try KeyPattern("NEW.*"))
        origin.startSequence = 7
        configuration.mirror = origin
        #expect(
            configuration.stream["mirror"] == [
                "name": "KV_ORDERS", "filter_subject": "$KV.ORDERS.NEW.*", "opt_start_seq": 7,
            ]
        )
        #expect(configuration.mirror == origin)
        origin.startSequence = nil
        origin.startTime = Timestamp(rfc3339: "2026-01-02T03:04:05.5Z")
        configuration.mirror = origin
        #expect(configuration.stream["mirror"]?["opt_start_time"] == "2026-01-02T03:04:05.5Z")
        #expect(configuration.mirror == origin)
    }

    @Test("57.95 a domain becomes an external API, and another API stays as it is")
    func external() throws {
        var origin = BucketOrigin(try bucket("ORDERS"), domain: "hub")
        #expect(origin.json["external"] == ["api": "$JS.hub.API", "deliver": ""])
        #expect(origin.domain == "hub")
        origin.externalAPI = "JS.acc.API"
        origin.deliverPrefix = "deliver.acc"
        #expect(origin.json["external"] == ["api": "JS.acc.API", "deliver": "deliver.acc"])
        #expect(origin.domain == nil)
        #expect(BucketOrigin(origin.json) == origin)
        origin.externalAPI = "$JS.API"
        #expect(origin.domain == nil)
    }

    @Test(
        "57.96 a source's keys come under the bucket's own names",
        arguments: [
            ("ORDERS", nil, "$KV.ORDERS.>", "$KV.all.>"),
            ("KV_ORDERS", nil, "$KV.ORDERS.>", "$KV.all.>"),
            // 57.97: with a filter of keys.
            ("ORDERS", "NEW.>", "$KV.ORDERS.NEW.>", "$KV.all.>"),
            ("ORDERS", ">", "$KV.ORDERS.>", "$KV.all.>"),
            ("ORDERS", "*.config", "$KV.ORDERS.*.config", "$KV.all.{{wildcard(1)}}.config"),
            ("ORDERS", "*.*.>", "$KV.ORDERS.*.*.>", "$KV.all.{{wildcard(1)}}.{{wildcard(2)}}.>"),
            ("ORDERS", "a.b", "$KV.ORDERS.a.b", "$KV.all.a.b"),
        ] as [(String, String?, String, String)]
    )
    func source(name: String, keys: String?, from: String, to: String) throws {
        var configuration = BucketConfiguration(name: try bucket("all"))
        configuration.sources = [BucketOrigin(name: name, keys: try keys.map { try KeyPattern($0) })]
        let expected: JSONValue = [
            "name": "KV_ORDERS", "subject_transforms": [["src": .string(from), "dest": .string(to)]],
        ]
        #expect(configuration.stream["sources"] == [expected])
        #expect(configuration.stream["subjects"] == ["$KV.all.>"])
        // What was read is written as it was.
        let sources = configuration.sources
        configuration.sources = sources
        #expect(configuration.stream["sources"] == [expected])
        configuration.sources = []
        #expect(configuration == BucketConfiguration(name: try bucket("all")))
    }

    @Test("57.98 the same bucket in another domain needs no transform, another one does")
    func sourceInDomain() throws {
        let name = try bucket("ORDERS")
        let same = BucketOrigin(name, keys: try KeyPattern("a.>"), domain: "hub").asSource(of: name)
        #expect(same.transforms.isEmpty)
        #expect(same.json["filter_subject"] == "$KV.ORDERS.a.>")
        let other = BucketOrigin(name, domain: "hub").asSource(of: try bucket("copy"))
        #expect(other.transforms == [.init(source: "$KV.ORDERS.>", destination: "$KV.copy.>")])
    }

    @Test("57.99 own transforms stay byte for byte, and so does the name of the stream")
    func ownTransforms() throws {
        let json: JSONValue = [
            "name": "EVENTS",
            "subject_transforms": [
                ["src": "events.processed.>", "dest": "$KV.cache.>"],
                ["src": "events.*.failed", "dest": "$KV.cache.failed.{{wildcard(1)}}"],
            ],
        ]
        let origin = try #require(BucketOrigin(json))
        #expect(origin.asSource(of: try bucket("cache")).json == json)
        #expect(origin.bucket == nil)
    }

    @Test("What an origin says beside what we know stays, and is no filter of keys")
    func unknownParts() throws {
        let json: JSONValue = [
            "name": "EVENTS", "filter_subject": "events.>", "consumer": ["name": "durable"],
            "external": ["api": "JS.x.API", "deliver": "", "later": 1],
            "subject_transforms": [["src": "a", "dest": "b", "more": true]], "opt_start_time": "in 1632",
        ]
        let origin = try #require(BucketOrigin(json))
        #expect(origin.json == json)
        #expect(origin.keys == nil && origin.transforms.isEmpty && origin.startTime == nil)
        #expect(origin.asSource(of: try bucket("cache")).json == json)
        #expect(BucketOrigin(["filter_subject": "a"]) == nil)
    }

    @Test("A bucket that gets another name sources its origins under that name")
    func rename() throws {
        var configuration = BucketConfiguration(name: try bucket("old"))
        configuration.sources = [BucketOrigin(try bucket("a")), BucketOrigin(try bucket("old"), domain: "hub")]
        configuration.rename(to: try bucket("new"))
        #expect(
            configuration.sources.map(\.transforms) == [
                [.init(source: "$KV.a.>", destination: "$KV.new.>")],
                [.init(source: "$KV.old.>", destination: "$KV.new.>")],
            ]
        )
    }
}
