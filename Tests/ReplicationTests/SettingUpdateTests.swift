import Archive
import JetStream
import KVModel
import KeyValue
import NATSProtocol
import Replication
import TestSupport
import Testing

/// The table of what servers change in place, held against each version of the server.
@Suite("What servers change in place", .serialized)
struct SettingUpdateTests {
    struct Case: Sendable {
        var name: String
        var old: [String: JSONValue] = [:]
        var new: [String: JSONValue]
    }

    private static let hour: JSONValue = .integer(3_600_000_000_000)
    private static let mirror: JSONValue = ["name": "KV_origin"]

    static let cases: [Case] = [
        Case(name: "to memory", new: ["storage": "memory"]),
        Case(name: "to file", old: ["storage": "memory"], new: ["storage": "file"]),
        Case(name: "more history", new: ["max_msgs_per_subject": 10]),
        Case(name: "less history", old: ["max_msgs_per_subject": 10], new: ["max_msgs_per_subject": 2]),
        Case(name: "unlimited history", new: ["max_msgs_per_subject": -1]),
        Case(name: "a TTL", new: ["max_age": hour]),
        Case(name: "no TTL", old: ["max_age": hour], new: ["max_age": 0]),
        Case(name: "a size", new: ["max_bytes": 1_000_000]),
        Case(name: "a number of entries", new: ["max_msgs": 100]),
        Case(name: "a value size", new: ["max_msg_size": 1024]),
        Case(name: "replicas", new: ["num_replicas": 3]),
        Case(name: "compression", new: ["compression": "s2"]),
        Case(name: "no compression", old: ["compression": "s2"], new: ["compression": "none"]),
        Case(name: "republish", new: ["republish": ["src": "$KV.BUCKET.>", "dest": "out.BUCKET.>"]]),
        Case(
            name: "no republish",
            old: ["republish": ["src": "$KV.BUCKET.>", "dest": "out.BUCKET.>"]],
            new: ["republish": .null]
        ),
        Case(name: "no direct get", new: ["allow_direct": false]),
        Case(name: "a description", new: ["description": "of another kind"]),
        Case(name: "metadata", new: ["metadata": ["owner": "me"]]),
        Case(name: "a shorter duplicate window", new: ["duplicate_window": 60_000_000_000]),
        Case(name: "no acknowledgements", new: ["no_ack": true]),
        Case(name: "consumer limits", new: ["consumer_limits": ["max_ack_pending": 10]]),
        Case(
            name: "a subject transform",
            new: ["subject_transform": ["src": "$KV.BUCKET.a.>", "dest": "$KV.BUCKET.b.>"]]
        ),
        Case(name: "other subjects", new: ["subjects": ["fence.BUCKET.>"]]),
        Case(name: "deletes again", old: ["deny_delete": true], new: ["deny_delete": false]),
        Case(name: "no deletes", old: ["deny_delete": false], new: ["deny_delete": true]),
        Case(
            name: "purges again",
            old: ["deny_purge": true, "allow_rollup_hdrs": false],
            new: ["deny_purge": false]
        ),
        Case(name: "no purges", old: ["allow_rollup_hdrs": false], new: ["deny_purge": true]),
        Case(name: "no purges with roll-ups", new: ["deny_purge": true]),
        Case(name: "no roll-ups", new: ["allow_rollup_hdrs": false]),
        Case(name: "roll-ups", old: ["allow_rollup_hdrs": false], new: ["allow_rollup_hdrs": true]),
        Case(name: "discard old", new: ["discard": "old"]),
        Case(name: "discard new", old: ["discard": "old"], new: ["discard": "new"]),
        Case(name: "discard new per key", new: ["discard_new_per_subject": true]),
        Case(name: "a work queue", old: ["discard": "old"], new: ["retention": "workqueue"]),
        Case(name: "no work queue", old: ["retention": "workqueue"], new: ["retention": "limits"]),
        Case(name: "interest", new: ["retention": "interest"]),
        Case(name: "limits", old: ["retention": "interest"], new: ["retention": "limits"]),
        Case(name: "fewer consumers", new: ["max_consumers": 10]),
        Case(name: "sealed", new: ["sealed": true]),
        Case(name: "TTLs of entries", new: ["allow_msg_ttl": true]),
        Case(name: "no TTLs of entries", old: ["allow_msg_ttl": true], new: ["allow_msg_ttl": false]),
        Case(name: "limit markers", new: ["subject_delete_marker_ttl": hour, "allow_msg_ttl": true]),
        Case(
            name: "no limit markers",
            old: ["subject_delete_marker_ttl": hour, "allow_msg_ttl": true],
            new: ["subject_delete_marker_ttl": 0]
        ),
        Case(name: "atomic batches", new: ["allow_atomic": true]),
        Case(name: "no atomic batches", old: ["allow_atomic": true], new: ["allow_atomic": false]),
        Case(name: "fast batches", new: ["allow_batched": true]),
        Case(name: "no fast batches", old: ["allow_batched": true], new: ["allow_batched": false]),
        Case(name: "asynchronous writes", new: ["persist_mode": "async"]),
        Case(name: "synchronous writes", old: ["persist_mode": "async"], new: ["persist_mode": "default"]),
        Case(name: "counters", old: ["discard": "old"], new: ["allow_msg_counter": true]),
        Case(name: "counters that discard new", new: ["allow_msg_counter": true]),
        Case(
            name: "no counters",
            old: ["discard": "old", "allow_msg_counter": true],
            new: ["allow_msg_counter": false]
        ),
        Case(name: "schedules", old: ["discard": "old"], new: ["allow_msg_schedules": true]),
        Case(name: "schedules that discard new", new: ["allow_msg_schedules": true]),
        Case(
            name: "no schedules",
            old: ["discard": "old", "allow_msg_schedules": true],
            new: ["allow_msg_schedules": false]
        ),
        Case(name: "to a mirror", new: ["mirror": mirror, "subjects": .null]),
        Case(
            name: "a mirror of another",
            old: ["mirror": mirror, "subjects": .null],
            new: ["mirror": ["name": "KV_other"]]
        ),
        Case(
            name: "from a mirror",
            old: ["mirror": mirror, "subjects": .null],
            new: ["mirror": .null, "subjects": ["$KV.BUCKET.>"]]
        ),
        Case(
            name: "sources",
            new: ["sources": [["name": "KV_origin", "filter_subject": "$KV.origin.a.>"]]]
        ),
        Case(name: "no sources", old: ["sources": [["name": "KV_origin"]]], new: ["sources": .null]),
    ]

    @Test("The table says what each server does", arguments: ServerBinary.all)
    func table(binary: ServerBinary) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        try await server.withBuckets { buckets in
            for name in ["origin", "other"] {
                _ = try await buckets.create(BucketConfiguration(name: try BucketName(name)))
            }
            let facts = ServerFacts(buckets.context)
            #expect(!facts.isClustered)
            for (number, item) in Self.cases.enumerated() {
                try await Self.check(item, "b\(number)", on: facts, buckets)
            }
        }
    }

    @Test("In a cluster the number of replicas is changed in place", arguments: ["2.15.1", "2.10.26"])
    func replicas(version: String) async throws {
        let cluster = try await ServerCluster.start(try .named(version))
        defer { cluster.close() }
        try await cluster.nodes[0].withBuckets { buckets in
            let facts = ServerFacts(buckets.context)
            #expect(facts.isClustered)
            try await Self.check(Case(name: "3", new: ["num_replicas": 3]), "up", on: facts, buckets)
            let down = Case(name: "1", old: ["num_replicas": 3], new: ["num_replicas": 1])
            try await Self.check(down, "down", on: facts, buckets)
        }
    }

    @Test("A bucket's size is reckoned as servers do", arguments: ServerBinary.all)
    func storedBytes(binary: ServerBinary) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        let folder = try TemporaryDirectory("stored")
        defer { folder.remove() }
        try await server.withClient { client in
            for storage in ["file", "memory"] {
                try client.createBucket(storage, history: 64, storage: storage)
                var generator = BucketGenerator(entries: 500, seed: 5)
                generator.largeValues = 1
                _ = try generator.write(to: storage, with: client)
            }
        }
        try await server.withBuckets { buckets in
            let writer = try ArchiveWriter.open(path: folder.file("a.cistern"), createIfMissing: true)
            for storage in ["file", "memory"] {
                let bucket = try await buckets.bucket(try BucketName(storage))
                let report = try await Capture(bucket, into: writer).run()
                let state = try #require(report.state)
                var summary = StateSummary(under: bucket.configuration, asOf: .wallClock())
                try state.forEachOutline { summary.add($0, valueSize: $1) }
                #expect(summary.storedBytes == bucket.info.state.bytes, "\(storage) on \(binary)")
            }
        }
    }

    private static func configuration(_ name: String, _ fields: [String: JSONValue]) throws -> BucketConfiguration {
        changed(BucketConfiguration(name: try BucketName(name)), fields, name)
    }

    private static func changed(
        _ configuration: BucketConfiguration,
        _ fields: [String: JSONValue],
        _ name: String
    ) -> BucketConfiguration {
        var result = configuration
        for (field, value) in fields { result.stream[field] = value == .null ? nil : naming(value, name) }
        return result
    }

    /// Puts the bucket's name where a case says BUCKET.
    private static func naming(_ value: JSONValue, _ name: String) -> JSONValue {
        switch value {
        case .string(let text):
            .string(text.split(separator: "BUCKET", omittingEmptySubsequences: false).joined(separator: name))
        case .array(let elements): .array(elements.map { naming($0, name) })
        case .object(let members): .object(members.mapValues { naming($0, name) })
        default: value
        }
    }

    private static func check(_ item: Case, _ name: String, on server: ServerFacts, _ buckets: Buckets) async throws {
        let isKnown = item.old.keys.allSatisfy { field in
            BucketConfiguration.introduced(field).map { $0 <= server.version } ?? true
        }
        guard isKnown else { return }
        let context = buckets.context
        let start = try await context.createStream(try configuration(name, item.old).stream)
        let old = BucketConfiguration(stream: start.configuration).withoutServerMetadata
        let new = changed(old, item.new, name)
        let changes = SettingChange.between(old, new)
        let said = "\(item.name) on \(server.version)"
        #expect(!changes.isEmpty, "\(said): nothing changes")
        let updates = changes.map { SettingUpdate($0, to: new, on: server) }
        var isAccepted = true
        var answer = "it took it"
        do {
            let found = try await context.updateStream(new.stream)
            let left = SettingChange.between(BucketConfiguration(stream: found.configuration), new)
            for (change, update) in zip(changes, updates) where update == .inPlace {
                #expect(!left.contains { $0.field == change.field }, "\(said): \(change.field) stayed as it was")
            }
        } catch let error as JetStreamError {
            isAccepted = false
            answer = error.text
        }
        #expect(updates.allSatisfy(\.isTaken) == isAccepted, "\(said): \(updates), the server: \(answer)")
        // A new bucket has what needs one, and has not what is refused.
        guard !updates.allSatisfy(\.isTaken) else { return }
        let other = name + "-new"
        var isCreated = true
        do {
            var fresh = changed(try configuration(other, item.old), item.new, other)
            if fresh.stream["mirror"] != nil { fresh.stream["subjects"] = nil }
            _ = try await context.createStream(fresh.stream)
        } catch let error as JetStreamError {
            isCreated = false
            answer = error.text
        }
        let isRefused = updates.contains { if case .refused = $0 { true } else { false } }
        #expect(isCreated == !isRefused, "\(said): \(updates), a new one: \(isCreated ? "taken" : answer)")
    }
}

extension SettingUpdate {
    /// Whether the server says yes.
    fileprivate var isTaken: Bool {
        switch self {
        case .inPlace, .ineffective: true
        case .recreation, .refused: false
        }
    }
}
