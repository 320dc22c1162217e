import JetStream
import KVModel
import KeyValue
import NATSClient
import NATSProtocol
import TestSupport
import Testing

/// ADR-8, what is said of buckets: by the numbers of the conformance table.
@Suite("Management of buckets")
struct ManagementTests {
    @Test("8.1 a bucket is the stream KV_<bucket> of the subjects $KV.<bucket>.>", arguments: ServerBinary.all)
    func stream(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            _ = try await rig.create()
            let info = try await rig.context.streamInfo("KV_\(rig.name)")
            #expect(info.configuration["subjects"] == [.string("$KV.\(rig.name).>")])
        }
    }

    @Test(
        "8.2 other names than letters, digits, - and _ are refused before anything is sent",
        arguments: ServerBinary.all
    )
    func names(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            for name in ["", "a.b", "a b", "ä", "a>", "a/b"] {
                #expect(throws: ModelError.self) { try BucketName(name) }
                let wrong = rig.configuration { $0.stream["name"] = .string("KV_" + name) }
                await expect(.invalidBucketName) { _ = try await rig.buckets.create(wrong) }
                await expect(.invalidBucketName) { _ = try await rig.buckets.createOrUpdate(wrong) }
            }
            await expect(.invalidBucketName) {
                _ = try await rig.buckets.create(rig.configuration { $0.stream["name"] = "ORDERS" })
            }
        }
    }

    @Test("8.3 history is 1 unless said otherwise, 64 at most", arguments: ServerBinary.all)
    func history(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let bucket = try await rig.create()
            #expect(bucket.info.configuration["max_msgs_per_subject"] == 1)
            let longest = try await rig.buckets.createOrUpdate(rig.configuration { $0.history = 64 })
            #expect(longest.info.configuration["max_msgs_per_subject"] == 64)
            for history: Int64 in [0, 65, -1] {
                let wrong = rig.configuration { $0.history = history }
                await expect(.invalidOption) { _ = try await rig.buckets.createOrUpdate(wrong) }
            }
            #expect(try await rig.buckets.bucket(rig.name).configuration.history == 64)
        }
    }

    @Test(
        "8.4 a bucket allows roll-ups, denies deletion, discards new, and is read directly",
        arguments: ServerBinary.all
    )
    func fixedSettings(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let stream = try await rig.create().info.configuration
            #expect(stream["allow_rollup_hdrs"] == true && stream["deny_delete"] == true)
            #expect(stream["discard"] == "new" && stream["allow_direct"] == true)
        }
    }

    @Test("8.5 an update leaves alone that somebody turned direct reads off", arguments: ServerBinary.all)
    func directReads(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            var stream = try await rig.create().info.configuration
            stream["allow_direct"] = false
            _ = try await rig.context.updateStream(stream)
            var configuration = try await rig.buckets.bucket(rig.name).configuration
            configuration.history = 3
            let updated = try await rig.buckets.update(configuration)
            #expect(updated.configuration.history == 3 && !updated.configuration.allowsDirectGet)
        }
    }

    @Test(
        "8.6 the TTL is the stream's age limit; the duplicate window goes with it, also up again",
        arguments: ServerBinary.all
    )
    func timeToLive(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            var bucket = try await rig.create { $0.timeToLive = .seconds(30) }
            #expect(bucket.info.configuration["max_age"] == 30_000_000_000)
            #expect(bucket.info.configuration["duplicate_window"] == 30_000_000_000)
            for (ttl, window) in [(60, 60), (86_400, 120), (1, 1), (0, 120)] as [(Int64, Int64)] {
                var configuration = bucket.configuration
                configuration.timeToLive = ttl == 0 ? nil : .seconds(ttl)
                bucket = try await rig.buckets.update(configuration)
                #expect(bucket.info.configuration["max_age"] == .integer(ttl * 1_000_000_000))
                #expect(bucket.info.configuration["duplicate_window"] == .integer(window * 1_000_000_000))
            }
        }
    }

    @Test("8.7 a TTL under 100 ms is refused, 100 ms is taken", arguments: ServerBinary.all)
    func shortTimeToLive(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let wrong = rig.configuration { $0.timeToLive = .milliseconds(99) }
            await expect(.invalidOption) { _ = try await rig.buckets.create(wrong) }
            _ = try await rig.create { $0.timeToLive = .milliseconds(100) }
        }
    }

    @Test("8.8 a value larger than the bucket takes is refused, with bucket and key", arguments: ServerBinary.all)
    func valueSize(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let kv = KeyValueBucket(try await rig.create { $0.maximumValueSize = 100 })
            try await kv.put("k", [UInt8](repeating: 1, count: 100))
            await #expect {
                try await kv.put("k", [UInt8](repeating: 2, count: 101))
            } throws: { error in
                let error = error as? KeyValueError
                return error?.code == .valueTooLarge && error?.bucket == rig.name && error?.key == "k"
            }
            #expect(try await kv.get("k")?.value.first == 1)
        }
    }

    @Test("8.9 a full bucket takes nothing, and keeps what it has", arguments: ServerBinary.all)
    func bucketSize(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let kv = KeyValueBucket(try await rig.create { $0.maximumBytes = 2000 })
            try await kv.put("old", [UInt8](repeating: 1, count: 1500))
            await expect(.bucketFull) { try await kv.put("new", [UInt8](repeating: 2, count: 1500)) }
            #expect(try await kv.get("old")?.size == 1500)
            #expect(try await kv.get("new") == nil)
        }
    }

    @Test("8.10 buckets are kept in files or in memory", arguments: ServerBinary.all)
    func storage(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            #expect(try await rig.create().configuration.storageType == .file)
            try await rig.buckets.delete(rig.name)
            let bucket = try await rig.create { $0.storageType = .memory }
            #expect(bucket.info.configuration["storage"] == "memory")
        }
    }

    @Test(
        "8.11 a single server keeps one copy; 0 and 6 are refused before anything is sent",
        arguments: ServerBinary.all
    )
    func replicas(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            await #expect {
                try await rig.create { $0.replicas = 3 }
            } throws: { error in
                (error as? JetStreamError)?.serverCode == 10_074
            }
            for count: Int64 in [0, 6] {
                await expect(.invalidOption) { _ = try await rig.create { $0.replicas = count } }
            }
        }
    }

    @Test("8.13 what is stored is published again, with values or without", arguments: ServerBinary.all)
    func republish(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            for headersOnly in [false, true] {
                let name = try rig.other("\(headersOnly)")
                let destination = "again.\(name)"
                var configuration = BucketConfiguration(name: name)
                configuration.republish = .init(
                    source: name.subjectPrefix + ">",
                    destination: destination + ".>",
                    headersOnly: headersOnly
                )
                let connection = rig.context.connection
                let subscription = try await connection.subscribe(destination + ".>")
                let bucket = try await rig.buckets.create(configuration)
                #expect(bucket.configuration.republish == configuration.republish)
                try await bucket.put("a.b", [1, 2, 3])
                let batch = try #require(try await subscription.next(timeout: .seconds(10)))
                batch.withView(at: 0) { message in
                    #expect(message.subject.elementsEqual("\(destination).a.b".utf8))
                    #expect(message.payload.count == (headersOnly ? 0 : 3))
                    let size = HeaderBlock.value(of: "Nats-Msg-Size", in: message.headers)
                    #expect(size.map { String(decoding: $0, as: UTF8.self) } == (headersOnly ? "3" : nil))
                }
                await subscription.unsubscribe()
            }
        }
    }

    @Test("8.14 compression, from 2.10 on", arguments: ServerBinary.all)
    func compression(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let stream = try await expectKnown(rig, since: "2.10", "compression") { $0.isCompressed = true }
            #expect(stream == nil || stream?["compression"] == "s2")
        }
    }

    @Test("8.15 metadata, from 2.10 on, without the server's own", arguments: ServerBinary.all)
    func metadata(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let known = try await expectKnown(rig, since: "2.10", "metadata") { $0.metadata = ["team": "core"] }
            guard known != nil else { return }
            let status = try await rig.buckets.open(rig.name).status()
            #expect(status.metadata == ["team": "core"])
        }
    }

    @Test("8.16 a description", arguments: ServerBinary.all)
    func description(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let bucket = try await rig.create { $0.description = "what it is for: ä" }
            #expect(bucket.configuration.description == "what it is for: ä")
        }
    }

    @Test(
        "8.17 create with an identical configuration answers the bucket, with another it does not",
        arguments: ServerBinary.all
    )
    func createTwice(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let first = try await rig.create { $0.history = 5 }
            try await first.put("k", [1])
            let second = try await rig.create { $0.history = 5 }
            #expect(second.info.created == first.info.created)
            #expect(try await second.get("k")?.value == [1])
            await expect(.bucketExists) { _ = try await rig.create { $0.history = 6 } }
            await expect(.bucketExists) { _ = try await rig.create { $0.description = "other" } }
        }
    }

    @Test("8.18 create brings a bucket of old clients up to date", arguments: ServerBinary.all)
    func oldClients(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            var old = try rig.configuration()
            old.stream["discard"] = "old"
            old.stream["allow_direct"] = nil
            _ = try await rig.context.createStream(old.stream)
            _ = try await rig.buckets.bucket(rig.name).put("k", [1])
            let bucket = try await rig.create()
            #expect(bucket.info.configuration["discard"] == "new" && bucket.configuration.allowsDirectGet)
            #expect(try await bucket.get("k")?.value == [1])
            // Anything else is somebody's choice.
            await expect(.bucketExists) { _ = try await rig.create { $0.maximumBytes = 1 << 20 } }
        }
    }

    @Test(
        "8.19 update; what the server does not change is said with the setting and its reason",
        arguments: ServerBinary.all
    )
    func update(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            await expect(.bucketNotFound) { _ = try await rig.buckets.update(rig.configuration()) }
            let bucket = try await rig.create()
            var configuration = bucket.configuration
            configuration.history = 7
            configuration.maximumBytes = 1 << 20
            configuration.description = "changed"
            let updated = try await rig.buckets.update(configuration)
            #expect(updated.configuration.differences(from: configuration).isEmpty)
            configuration.storageType = .memory
            let wrong = configuration
            await #expect {
                try await rig.buckets.update(wrong)
            } throws: { error in
                let error = error as? KeyValueError
                return error?.code == .invalidOption && error?.text?.contains("storage") == true
                    && error?.text?.contains("10052") == true && error?.underlying is JetStreamError
            }
        }
    }

    @Test("8.20 create or update", arguments: ServerBinary.all)
    func createOrUpdate(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let bucket = try await rig.buckets.createOrUpdate(rig.configuration { $0.history = 2 })
            try await bucket.put("k", [1])
            let updated = try await rig.buckets.createOrUpdate(rig.configuration { $0.history = 3 })
            #expect(updated.configuration.history == 3 && updated.info.created == bucket.info.created)
            #expect(try await updated.get("k")?.value == [1])
        }
    }

    @Test("8.21 open says that there is no bucket, or that the stream is none", arguments: ServerBinary.all)
    func open(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            await expect(.bucketNotFound) { _ = try await rig.buckets.open(rig.name) }
            let wrong = rig.configuration { $0.history = -1 }
            _ = try await rig.context.createStream(wrong.stream)
            await expect(.notABucket) { _ = try await rig.buckets.open(rig.name) }
            // What copies and keeps buckets takes them as they are.
            #expect(try await rig.buckets.bucket(rig.name).configuration.history == -1)
        }
    }

    @Test("8.22 delete removes the bucket; a missing one is said", arguments: ServerBinary.all)
    func delete(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let bucket = try await rig.create()
            try await bucket.put("k", [1])
            try await rig.buckets.delete(rig.name)
            await expect(.bucketNotFound) { try await rig.buckets.delete(rig.name) }
            await expect(.bucketNotFound) { _ = try await KeyValueBucket(bucket).status() }
        }
    }

    @Test("8.25 the status says what the bucket is and holds", arguments: ServerBinary.all)
    func status(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let kv = KeyValueBucket(
                try await rig.create {
                    $0.history = 4
                    $0.timeToLive = .seconds(3600)
                    $0.storageType = .memory
                }
            )
            for value in 0..<6 { try await kv.put("k", "\(value)") }
            try await kv.delete("j")
            let status = try await kv.readOnly.status()
            #expect(status.bucket == rig.name && status.values == 5 && status.bytes > 0)
            #expect(status.history == 4 && status.timeToLive == .seconds(3600) && status.storage == .memory)
            #expect(status.replicas == 1 && !status.isCompressed && status.backingStore == "JetStream")
            #expect(status.limitMarkerTimeToLive == nil && status.metadata.isEmpty)
            #expect(status.mirror == nil && status.sources.isEmpty)
            #expect(status.info.state.lastSequence == 7)
            // Single servers before 2.10 name no leader.
            #expect(status.cluster?.leader != nil || !binary.isAtLeast("2.10"))
            #expect(status.cluster?.peers.isEmpty != false)
        }
    }

    @Test("8.26 the configuration comes back as it was given, field by field", arguments: ServerBinary.all)
    func configuration(binary: ServerBinary) async throws {
        try await ManagementRig.run(binary) { rig in
            let given = rig.configuration {
                $0.history = 9
                $0.timeToLive = .seconds(7200)
                $0.maximumBytes = 1 << 20
                $0.maximumValueSize = 1 << 10
                $0.description = "all of it"
                $0.republish = .init(source: rig.name.subjectPrefix + ">", destination: "x.\(rig.name).>")
                if binary.isAtLeast("2.10") {
                    $0.isCompressed = true
                    $0.metadata = ["a": "b"]
                }
                if binary.isAtLeast("2.11") { $0.limitMarkerTimeToLive = .seconds(90) }
            }
            _ = try await rig.buckets.create(given)
            let found = try await rig.buckets.open(rig.name).status().configuration
            #expect(found.differences(from: given).isEmpty)
            for (field, value) in given.stream.object ?? [:] where field != "metadata" {
                #expect(found.stream[field] == value, "\(field)")
            }
        }
    }
}

/// Creates a bucket with a setting that servers have from a version on; answers its stream, or nil where the server is
/// older, which must then be said with the setting, the server's version and that version.
func expectKnown(
    _ rig: ManagementRig,
    since version: String,
    _ field: String,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ change: (inout BucketConfiguration) throws -> Void
) async throws -> JSONValue? {
    let configuration = try rig.configuration(change)
    if rig.binary.isAtLeast(version) {
        return try await rig.buckets.create(configuration).info.configuration
    }
    for attempt in ["create", "update"] {
        await #expect(sourceLocation: sourceLocation) {
            if attempt == "create" { _ = try await rig.buckets.create(configuration) }
            if attempt == "update" { _ = try await rig.buckets.update(configuration) }
        } throws: { error in
            guard let error = error as? KeyValueError, error.code == .unsupported else { return false }
            return [field, rig.binary.version, version].allSatisfy { error.text?.contains($0) == true }
        }
    }
    return nil
}
