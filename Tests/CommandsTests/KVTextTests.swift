import JetStream
import KVModel
import Testing

@testable import Commands

@Suite("Texts of kv")
struct KVTextTests {
    private let names = ["a", "orders", "2"].map { BucketName(unchecked: $0) }

    @Test(
        "A bucket is chosen by its number or its name, the name first",
        arguments: [("1", "a"), (" orders ", "orders"), ("2", "2"), ("3", "2"), ("a", "a")]
    )
    func choice(answer: String, name: String) throws {
        #expect(try BucketChoice.chosen(answer, among: names).rawValue == name)
    }

    @Test("What is no answer is told why")
    func noChoice() throws {
        let meant = #expect(throws: CommandError.self) { try BucketChoice.chosen("ordrs", among: names) }
        #expect(meant?.hint == "did you mean orders?" && meant?.code == .nothingMatches)
        let number = #expect(throws: CommandError.self) { try BucketChoice.chosen("4", among: names) }
        #expect(number?.hint == "give a number from 1 to 3, or a name")
        let nothing = #expect(throws: CommandError.self) { try BucketChoice.chosen("", among: names) }
        #expect(nothing?.code == .declined)
    }

    @Test(
        "A long value is cut where a character ends",
        arguments: [
            ("abcdef", 3, "abc"), ("aéb", 2, "a"), ("aéb", 3, "aé"), ("ab", 2, "ab"), ("a\nb\tc", 4, "a\nb\t"),
            ("\u{1B}x", 1, "\\u{1B}"),
        ]
    )
    func cut(value: String, limit: Int, shown: String) {
        #expect(BucketGetCommand.shown(Array(value.utf8), limit: limit) == shown)
    }

    @Test("Bytes that are no text are shown as hexadecimal digits")
    func binary() {
        #expect(BucketGetCommand.shown([0xFF, 0, 1], limit: 120) == "0xff0001")
    }

    private func info(_ more: JSONValue) throws -> StreamInfo {
        var reply: JSONValue = [
            "config": ["name": "KV_orders"], "created": "2026-11-22T00:00:00Z", "state": ["messages": 0],
        ]
        for (name, value) in more.object ?? [:] { reply[name] = value }
        return try #require(StreamInfo(reply))
    }

    @Test("The servers of a bucket are told with their state")
    func servers() throws {
        let peers = try #require(
            try info([
                "cluster": [
                    "name": "east", "leader": "n1",
                    "replicas": [
                        ["name": "n2", "current": true, "active": 120_000_000],
                        ["name": "n3", "current": false, "offline": true, "active": .integer(.max), "lag": 1],
                        ["name": "n4", "current": false, "active": -1, "lag": 2000],
                    ],
                ]
            ]).peers
        )
        let cluster = ClusterDocument(peers)
        #expect(cluster.name == "east" && cluster.leader == "n1")
        #expect(
            cluster.replicas.map(BucketText.text) == [
                "n2, current, seen 120ms ago", "n3, outdated, OFFLINE, not seen, 1 operation behind",
                "n4, outdated, not seen, 2,000 operations behind",
            ]
        )
    }

    @Test("Sources of one name in two domains are told apart")
    func sources() throws {
        let told = try info([
            "config": [
                "name": "KV_orders",
                "sources": [
                    ["name": "KV_a", "external": ["api": "$JS.hub.API"]],
                    [
                        "name": "KV_a",
                        "subject_transforms": [["src": "$KV.a.>", "dest": "$KV.orders.>"]],
                    ],
                    ["name": "plain"],
                ],
            ],
            "sources": [
                ["name": "KV_a", "lag": 1, "active": 1_000_000_000],
                ["name": "KV_a", "lag": 2, "active": -1, "external": ["api": "$JS.hub.API"]],
            ],
        ])
        let sources = OriginDocument.sources(BucketConfiguration(stream: told.configuration), told)
        #expect(sources.map(\.bucket) == ["a", "a", nil])
        #expect(sources.map(\.stream) == ["KV_a", "KV_a", "plain"])
        #expect(sources.map(\.lag) == [2, 1, nil])
        #expect(sources.map(\.lastSeenSeconds) == [nil, 1, nil])
        #expect(sources.map(\.externalApi) == ["$JS.hub.API", nil, nil])
        #expect(sources[1].transforms == [.init(source: "$KV.a.>", destination: "$KV.orders.>")])
    }
}
