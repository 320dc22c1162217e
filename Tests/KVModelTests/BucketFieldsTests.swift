import KVModel
import Testing

@Suite("Fields of a bucket's configuration")
struct BucketFieldsTests {
    private func fresh() throws -> BucketConfiguration {
        BucketConfiguration(name: try BucketName("app"))
    }

    @Test(
        "8.6 the duplicate window is two minutes, or the TTL if that is shorter, also where the TTL is raised",
        arguments: [
            ([], 120), ([30], 30), ([30, 60], 60), ([30, 86_400], 120), ([30, 0], 120), ([120], 120), ([7200, 60], 60),
        ] as [([Int64], Int64)]
    )
    func duplicateWindow(ttls: [Int64], window: Int64) throws {
        var configuration = try fresh()
        for ttl in ttls { configuration.timeToLive = ttl == 0 ? nil : .seconds(ttl) }
        #expect(configuration.stream["duplicate_window"] == .integer(window * 1_000_000_000))
        #expect(configuration.ttl == (ttls.last ?? 0) * 1_000_000_000)
    }

    @Test("Durations, storage and placement are typed, and taken away again")
    func typed() throws {
        var configuration = try fresh()
        #expect(configuration.timeToLive == nil && configuration.limitMarkerTimeToLive == nil)
        #expect(configuration.placement == nil && configuration.republish == nil && configuration.mirror == nil)
        configuration.timeToLive = .milliseconds(1500)
        configuration.limitMarkerTimeToLive = .seconds(60)
        configuration.storageType = .memory
        configuration.placement = .init(cluster: "east", tags: ["ssd", "eu"])
        configuration.republish = .init(destination: "changes.>", headersOnly: true)
        #expect(configuration.timeToLive == .milliseconds(1500))
        #expect(configuration.limitMarkerTTL == 60_000_000_000 && configuration.allowsEntryTTL)
        #expect(configuration.stream["storage"] == "memory")
        #expect(configuration.stream["placement"] == ["cluster": "east", "tags": ["ssd", "eu"]])
        #expect(configuration.stream["republish"] == ["src": ">", "dest": "changes.>", "headers_only": true])
        configuration.republish?.headersOnly = false
        configuration.placement?.tags = []
        #expect(configuration.stream["republish"] == ["src": ">", "dest": "changes.>"])
        #expect(configuration.stream["placement"] == ["cluster": "east"])
        configuration.republish = nil
        configuration.placement = nil
        configuration.timeToLive = nil
        configuration.limitMarkerTimeToLive = nil
        configuration.storageType = .file
        configuration.stream["allow_msg_ttl"] = nil
        #expect(configuration == (try fresh()))
    }

    @Test("Durations beyond what 64 bits of nanoseconds say are the longest")
    func longDurations() throws {
        var configuration = try fresh()
        configuration.timeToLive = .seconds(Int64.max)
        #expect(configuration.ttl == .max)
        configuration.timeToLive = .seconds(9_223_372_036) + .milliseconds(900)
        #expect(configuration.ttl == .max)
    }

    @Test("Republishing headers only can be given as text")
    func republishSetting() throws {
        var configuration = try fresh()
        for setting in ["republish.source=$KV.app.>", "republish.destination=r.>", "republish.headers-only=true"] {
            try configuration.set(setting)
        }
        #expect(configuration.republish == .init(source: "$KV.app.>", destination: "r.>", headersOnly: true))
        try configuration.set("republish.headers-only=false")
        #expect(configuration.republish?.headersOnly == false)
        #expect(throws: ModelError.self) { try configuration.set("republish.headers-only=maybe") }
    }

    private struct Mistake: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var change: @Sendable (inout BucketConfiguration) throws -> Void

        init(_ name: String, _ change: @escaping @Sendable (inout BucketConfiguration) throws -> Void) {
            testDescription = name
            self.change = change
        }
    }

    private static let mistakes = [
        Mistake("8.2 no bucket's name") { $0.stream["name"] = "ORDERS" },
        Mistake("8.2 a name with a dot") { $0.stream["name"] = "KV_a.b" },
        Mistake("8.3 history 65") { $0.history = 65 },
        Mistake("8.3 history 0") { $0.history = 0 },
        Mistake("8.3 history without a limit") { $0.history = -1 },
        Mistake("8.7 a TTL under 100 ms") { $0.timeToLive = .milliseconds(99) },
        Mistake("8.7 a TTL below nothing") { $0.timeToLive = .seconds(-1) },
        Mistake("8.11 no replicas") { $0.replicas = 0 },
        Mistake("8.11 six replicas") { $0.replicas = 6 },
        Mistake("8.10 another storage") { $0.storage = "tape" },
        Mistake("8.8 a value size over 32 bits") { $0.maximumValueSize = 1 << 31 },
        Mistake("8.13 republishing to nowhere") { $0.republish = .init(destination: "") },
        Mistake("48.86 markers for less than a second") { $0.limitMarkerTimeToLive = .milliseconds(999) },
        Mistake("48.92 markers on a mirror") {
            $0.mirror = BucketOrigin(name: "a")
            $0.limitMarkerTimeToLive = .seconds(1)
        },
        Mistake("57.93 a mirror with sources") {
            $0.mirror = BucketOrigin(name: "a")
            $0.sources = [BucketOrigin(name: "b")]
        },
        Mistake("57.97 keys and transforms") {
            let transforms = [BucketOrigin.Transform(source: "a.>", destination: "b.>")]
            $0.sources = [BucketOrigin(name: "b", keys: try KeyPattern("a.>"), transforms: transforms)]
        },
        Mistake("57.94 two beginnings") {
            var origin = BucketOrigin(name: "a")
            origin.startSequence = 1
            origin.startTime = Timestamp(nanoseconds: 1)
            $0.mirror = origin
        },
        Mistake("57.95 a deliver prefix without an API") {
            var origin = BucketOrigin(name: "a")
            origin.deliverPrefix = "x"
            $0.mirror = origin
        },
    ]

    @Test("What every server refuses is refused before anything is sent", arguments: mistakes)
    private func refused(mistake: Mistake) throws {
        var configuration = try fresh()
        try configuration.validate()
        try mistake.change(&configuration)
        #expect(throws: ModelError.self) { try configuration.validate() }
    }

    @Test("What is allowed is not refused")
    func allowed() throws {
        var configuration = try fresh()
        configuration.history = 64
        configuration.timeToLive = .milliseconds(100)
        configuration.limitMarkerTimeToLive = .seconds(1)
        configuration.replicas = 5
        configuration.sources = [BucketOrigin(name: "a"), BucketOrigin(name: "b", keys: try KeyPattern("x.>"))]
        try configuration.validate()
        var mirror = try fresh()
        mirror.mirror = BucketOrigin(name: "a")
        mirror.stream["allow_msg_ttl"] = true
        try mirror.validate()
    }

    @Test("What servers fill in is no difference, what somebody chose is one")
    func differences() throws {
        let mine = try fresh()
        var theirs = mine
        theirs.stream["sealed"] = false
        theirs.stream["consumer_limits"] = [:]
        theirs.stream["compression"] = "none"
        theirs.stream["max_msgs"] = nil
        theirs.stream["retention"] = nil
        theirs.metadata = ["_nats.ver": "2.15.1"]
        #expect(mine.differences(from: theirs).isEmpty && theirs.differences(from: mine).isEmpty)
        theirs.history = 5
        theirs.stream["discard"] = "old"
        theirs.metadata = ["team": "core"]
        #expect(mine.differences(from: theirs) == ["discard", "max_msgs_per_subject", "metadata"])
    }

    @Test(
        "A key's text is checked, and what is wrong with it is said",
        arguments: [
            ("", "empty"), (".a", "dot"), ("a.", "dot"), ("a..b", "empty"), ("a b", "letters"), ("ä", "letters"),
            ("a.*", "letters"),
        ]
    )
    func keys(text: String, reason: String) throws {
        #expect {
            try Key(validating: text)
        } throws: { error in
            "\(error)".contains(reason)
        }
        #expect(try Key(validating: "a-b/c_d=1.E") == "a-b/c_d=1.E")
        #expect(Key(bytes: [0xFF]).text == nil && Key("ä b").text == "ä b")
    }

    @Test("Patterns of encoded keys may have any characters, and are known for it")
    func encodablePatterns() throws {
        let pattern = try KeyPattern(encodable: "Acme Inc.*")
        #expect(pattern.matches(Key("Acme Inc.contact")) && !pattern.matches(Key("Acme.contact")))
        #expect(!pattern.isStorable)
        #expect(try KeyPattern("a.*").isStorable)
        #expect(throws: ModelError.self) { try KeyPattern("Acme Inc.*") }
        #expect(throws: ModelError.self) { try KeyPattern(encodable: "a..b") }
    }
}
