import KVModel
import Testing

@Suite("Header blocks, operations, lifetimes")
struct EntryTests {
    private func operation(_ headers: String) -> Operation {
        Array(headers.utf8).withUnsafeBytes { Operation(headers: $0) }
    }

    @Test(
        "The operation that headers say",
        arguments: [
            ("", Operation.put),
            ("NATS/1.0\r\nKV-Operation: DEL\r\n\r\n", .delete),
            ("NATS/1.0\r\nKV-Operation:DEL\r\n\r\n", .delete),
            ("NATS/1.0\r\nKV-Operation: PURGE\r\nNats-Rollup: sub\r\n\r\n", .purge),
            ("NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\nNats-TTL: 5s\r\n\r\n", .purge),
            ("NATS/1.0\r\nNats-Marker-Reason: Remove\r\n\r\n", .delete),
            ("NATS/1.0\r\nX: KV-Operation: DEL\r\n\r\n", .put),
            ("NATS/1.0\r\nKV-Operation: OTHER\r\n\r\n", .put),
            ("KV-Operation: DEL\r\n\r\n", .put),
        ]
    )
    func operations(headers: String, expected: Operation) {
        #expect(operation(headers) == expected)
    }

    @Test("A block keeps its lines in order, and writes what it read")
    func block() {
        let wire = Array("NATS/1.0\r\nA: 1\r\nB: two words \r\nA: 3\r\n\r\n".utf8)
        var block = wire.withUnsafeBytes { HeaderBlock($0) }
        #expect(block.fields.map(\.name) == ["A", "B", "A"])
        #expect(block["B"] == "two words")
        #expect(block.encoded() == Array("NATS/1.0\r\nA: 1\r\nB: two words\r\nA: 3\r\n\r\n".utf8))
        block["A"] = "9"
        #expect(block.encoded() == Array("NATS/1.0\r\nA: 9\r\nB: two words\r\n\r\n".utf8))
        block["A"] = nil
        block["B"] = nil
        #expect(block.encoded().isEmpty)
    }

    @Test("Any bytes as headers do no harm", arguments: 0..<20)
    func anyBytes(seed: UInt64) {
        var generator = SplitMix(state: seed)
        for _ in 0..<500 {
            let bytes = (0..<Int.random(in: 0...60, using: &generator)).map { _ in
                [UInt8(13), 10, 58, 32, 65, 255].randomElement(using: &generator) ?? 0
            }
            let fields = bytes.withUnsafeBytes { HeaderBlock($0).fields }
            #expect(fields.count <= bytes.count)
        }
    }

    @Test(
        "Lifetimes",
        arguments: [
            (nil, 0, nil), (nil, 5, 105), (.limited(3), 5, 103), (.limited(9), 5, 105), (.limited(9), 0, 109),
            (.never, 5, nil),
        ] as [(EntryLifetime?, Int64, Int64?)]
    )
    func lifetimes(own: EntryLifetime?, maximumAge: Int64, expiry: Int64?) {
        let found = EntryLifetime.expiry(of: Timestamp(nanoseconds: 100), own: own, maximumAge: maximumAge)
        #expect(found?.nanoseconds == expiry)
    }

    @Test(
        "What Nats-TTL says",
        arguments: [
            ("never", .never), ("60", .limited(60_000_000_000)), ("1h30m", .limited(5_400_000_000_000)), ("0", nil),
            ("-1", nil), ("500ms", nil), ("x", nil),
        ] as [(String, EntryLifetime?)]
    )
    func timeToLive(text: String, expected: EntryLifetime?) {
        #expect(EntryLifetime(text) == expected)
    }
}

@Suite("Bucket configurations")
struct BucketConfigurationTests {
    private func fresh() throws -> BucketConfiguration {
        BucketConfiguration(name: try BucketName("app"))
    }

    @Test("Settings given as text")
    func settings() throws {
        var configuration = try fresh()
        for setting in [
            "history=5", "ttl=1m", "max-bytes=1MiB", "max-value-size=512KiB", "storage=memory", "replicas=3",
            "compression=true", "description=x=y", "placement.tags=a,b", "metadata.team=core", "limit-marker-ttl=1h",
        ] { try configuration.set(setting) }
        #expect(configuration.history == 5)
        #expect(configuration.ttl == 60_000_000_000)
        #expect(configuration.stream["duplicate_window"] == .integer(60_000_000_000))
        #expect(configuration.maximumBytes == 1 << 20)
        #expect(configuration.maximumValueSize == 1 << 19)
        #expect(configuration.storage == "memory")
        #expect(configuration.replicas == 3)
        #expect(configuration.isCompressed)
        #expect(configuration.description == "x=y")
        #expect(configuration.stream["placement"] == ["tags": ["a", "b"]])
        #expect(configuration.metadata == ["team": "core"])
        #expect(configuration.allowsEntryTTL)
        try configuration.set("metadata.team=")
        try configuration.set("placement.tags=")
        #expect(configuration.metadata.isEmpty)
        #expect(configuration.stream["placement"] == nil)
    }

    @Test(
        "Settings that are refused",
        arguments: [
            "history=0", "history=65", "history=x", "ttl=5", "ttl=50ms", "storage=disk", "nonsense=1", "history",
            "metadata.=1",
        ]
    )
    func refused(setting: String) throws {
        var configuration = try fresh()
        #expect(throws: ModelError.self) { try configuration.set(setting) }
    }

    @Test("Renaming changes every field that says the name")
    func rename() throws {
        var configuration = try fresh()
        try configuration.set("republish.source=$KV.app.>")
        configuration.rename(to: try BucketName("other"))
        #expect(configuration.name?.rawValue == "other")
        #expect(configuration.stream["subjects"] == ["$KV.other.>"])
        #expect(configuration.stream["republish"]?["src"] == "$KV.other.>")
    }

    @Test("Fields that we do not know stay")
    func unknownFields() throws {
        var configuration = try fresh()
        configuration.stream["invented_in_2030"] = ["a": [1, 2.5.jsonValue]]
        try configuration.set("history=3")
        #expect(configuration.stream["invented_in_2030"]?["a"]?.array?.count == 2)
    }
}

extension Double {
    fileprivate var jsonValue: JSONValue { .number(self) }
}
