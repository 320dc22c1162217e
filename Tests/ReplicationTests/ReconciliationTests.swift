import JetStream
import KVModel
import KeyValue
import Synchronization
import TestSupport
import Testing

@testable import Replication

/// Comparisons and repairs of a mirror's target, against real servers, judged by reading both buckets raw.
@Suite("Reconciling a mirror's target with its source", .serialized)
struct ReconciliationTests {
    /// Two buckets on one server, and entries in the second as a mirror writes them.
    private struct Pair {
        let server: ServerProcess

        init(_ binary: ServerBinary? = nil, history: Int = 5, targetHistory: Int = 5, more: String = "") async throws {
            server = try await ServerProcess.start(binary)
            try await server.withClient { client in
                try client.createBucket("src", history: history)
                try client.createBucket("dst", history: targetHistory, more: more)
            }
        }

        /// Writes puts and deletes to the source.
        func write(_ count: Int, keys: Int, prefix: String = "key.", seed: UInt64 = 1) async throws {
            try await server.withClient { client in
                var random = SeededGenerator(seed: seed)
                let puts = (0..<count).map { number in
                    let key = Array("\(prefix)\(number % keys)".utf8)
                    return switch Int.random(in: 0..<12, using: &random) {
                    case 0: RawPut.delete(key)
                    case 1: RawPut.purge(key)
                    case 2:
                        RawPut(key: key, headers: [RawHeader("X-Of", "test \(number)")], value: [UInt8(number & 255)])
                    default: RawPut(key: key, value: Array("value \(number)".utf8))
                    }
                }
                try client.putMany("src", puts)
            }
        }

        /// Brings what the source holds into the target, up to a revision, as a mirror does.
        func mirror(
            through last: UInt64 = .max,
            map: @escaping @Sendable (String) -> String? = { $0 }
        ) async throws {
            let prefix = try await server.withBuckets { buckets in
                let source = try await buckets.bucket(try BucketName("src"))
                return ReplayIdentity(
                    cluster: source.clusterName,
                    bucket: source.name,
                    created: source.info.created
                ).prefix
            }
            try await server.withClient { client in
                let messages = try client.getAllMessages("KV_src").filter { $0.seq <= last }
                try client.putMany(
                    "dst",
                    messages.compactMap { message in
                        guard let key = map(String(decoding: message.key(in: "src"), as: UTF8.self)) else { return nil }
                        let id = RawHeader("Nats-Msg-Id", String(decoding: prefix, as: UTF8.self) + String(message.seq))
                        return RawPut(key: Array(key.utf8), headers: [id] + message.headerList, value: message.data)
                    }
                )
            }
        }

        func reconcile(
            repairs: Bool = true,
            _ change: @Sendable @escaping (inout ReconciliationOptions) throws -> Void = { _ in }
        ) async throws -> ReconciliationReport {
            try await server.withBuckets { buckets in
                var options = ReconciliationOptions()
                options.repairs = repairs
                options.settleTime = .milliseconds(20)
                try change(&options)
                return try await Reconciliation(
                    source: try await buckets.bucket(try BucketName("src")),
                    target: try await buckets.bucket(try BucketName("dst")),
                    options: options
                ).run()
            }
        }

        /// The current values of a bucket with their own headers.
        func values(_ bucket: String) async throws -> [String: [String]] {
            let messages = try await server.withClient { try $0.getAllMessages("KV_\(bucket)") }
            let newest = Dictionary(messages.map { ($0.key(in: bucket), $0) }) { $1 }
            let puts = newest.filter { !$0.value.isTombstone }
            return Dictionary(
                uniqueKeysWithValues: puts.map { key, message in
                    let own = message.headerList.filter {
                        !$0.name.hasPrefix("Nats-") && !$0.name.hasPrefix("Cistern-")
                    }
                    return (
                        String(decoding: key, as: UTF8.self),
                        own.map(\.description) + [String(decoding: message.data, as: UTF8.self)]
                    )
                }
            )
        }

        func lastSequence(_ bucket: String) async throws -> UInt64 {
            try await server.withClient { try $0.streamInfo("KV_\(bucket)").lastSequence }
        }
    }

    @Test("Of a key that could not be repaired it is said what stood in the way")
    func hindrances() {
        let wrong = JetStreamError(code: .wrongLastSequence, subject: "s", text: "wrong last sequence: 7")
        let busy = JetStreamError(code: .tooManyRequests, subject: "s", text: "too many requests")
        #expect(Reconciliation.hindrance(.refused(wrong)).contains("others"))
        #expect(Reconciliation.hindrance(.refused(busy)).contains("too many requests"))
        #expect(Reconciliation.hindrance(.unknown).contains("did not answer"))
    }

    @Test("A target that has everything is equal, and nothing is written", arguments: ["2.15.1", "2.9.10"])
    func equal(version: String) async throws {
        let pair = try await Pair(try ServerBinary.named(version))
        defer { pair.server.close() }
        try await pair.write(3000, keys: 400)
        try await pair.mirror()
        let before = try await pair.lastSequence("dst")
        let report = try await pair.reconcile()
        #expect(report.equal == 400 && report.differences == 0 && report.isEqual && report.examples.isEmpty)
        #expect(try await pair.lastSequence("dst") == before)
    }

    /// Damages a mirrored target in every way there is; answers how often.
    private func damage(_ pair: Pair) async throws {
        // Keys 0 to 9 have a value in the source, and nothing after the mirroring changes it.
        try await pair.server.withClient { client in
            for key in 0..<10 { try client.put("src", "key.\(key)", "current \(key)") }
        }
        try await pair.mirror(through: try await pair.lastSequence("src") - 2)
        let prefix = try await pair.server.withBuckets { buckets in
            let source = try await buckets.bucket(try BucketName("src"))
            return String(
                decoding: ReplayIdentity(cluster: source.clusterName, bucket: source.name, created: source.info.created)
                    .prefix,
                as: UTF8.self
            )
        }
        try await pair.server.withClient { client in
            // Two are lost; 8 and 9 were never brought, and have older entries or none in the target.
            for key in [0, 1] { try client.api("STREAM.PURGE.KV_dst", "{\"filter\":\"$KV.dst.key.\(key)\"}") }
            // Two were written by others, one was deleted by them.
            try client.put("dst", "key.2", "foreign")
            try client.put("dst", "key.3", "foreign")
            try client.putMany("dst", [.delete(Array("key.4".utf8))])
            // One has an older entry of the source in the end.
            try client.putMany(
                "dst",
                [RawPut(key: Array("key.5".utf8), headers: [RawHeader("Nats-Msg-Id", prefix + "1")], value: [1])]
            )
            // Two are the mirror's and not in the source, two are others' own.
            for key in ["left.a", "left.b"] {
                let id = RawHeader("Nats-Msg-Id", "\(prefix)\(key == "left.a" ? 2 : 3)")
                try client.putMany("dst", [RawPut(key: Array(key.utf8), headers: [id], value: [2])])
            }
            for key in ["own.a", "own.b"] { try client.put("dst", key, "theirs") }
        }
    }

    @Test("Every kind of difference is found, named and repaired; what others added stays", arguments: [true, false])
    func repairs(isDivided: Bool) async throws {
        let pair = try await Pair()
        defer { pair.server.close() }
        try await pair.write(2000, keys: 300)
        try await damage(pair)
        let before = try await pair.lastSequence("dst")
        let limit = isDivided ? 40 : 1_000_000
        let seen = try await pair.reconcile(repairs: false) { $0.keysAtOnce = limit }
        #expect(seen.foreign == 3 && seen.leftover == 2 && seen.additional == 2, "\(seen)")
        #expect(seen.missing + seen.different == 5 && seen.missing >= 2, "\(seen)")
        #expect(seen.repaired == 0 && !seen.isEqual)
        #expect(seen.equal == 292, "\(seen)")
        #expect(try await pair.lastSequence("dst") == before, "a comparison writes nothing")
        let foreign = try #require(seen.examples.first { $0.key == "key.2" })
        #expect(foreign.kind == .foreign && foreign.sourceRevision == 2003 && (foreign.targetRevision ?? 0) > 0)

        let repaired = try await pair.reconcile { $0.keysAtOnce = limit }
        #expect(repaired.repaired == 10 && repaired.differences == 10 && repaired.isEqual, "\(repaired)")
        #expect(try await pair.lastSequence("dst") == before + 10)
        var expected = try await pair.values("src")
        for key in ["own.a", "own.b"] { expected[key] = ["theirs"] }
        #expect(try await pair.values("dst") == expected)
        let again = try await pair.reconcile()
        #expect(again.differences == 0 && again.repaired == 0 && again.additional == 2, "\(again)")
    }

    @Test("Of mapped and filtered keys only those that the mirror can have written are compared")
    func mapped() async throws {
        let pair = try await Pair()
        defer { pair.server.close() }
        try await pair.write(600, keys: 60, prefix: "eu.")
        try await pair.write(600, keys: 60, prefix: "us.", seed: 2)
        try await pair.mirror { $0.hasPrefix("eu.") ? "x.\($0.dropFirst(3))" : nil }
        // Another mirror's part of the same target.
        try await pair.mirror { $0.hasPrefix("us.") ? "y.\($0.dropFirst(3))" : nil }
        try await pair.server.withClient { client in
            try client.put("src", "eu.1", "current")
            try client.put("dst", "x.2", "foreign")
            // The source loses two keys without a marker; what was mirrored of them is left over.
            for key in ["eu.58", "eu.59"] {
                try client.put("src", key, "was there")
            }
        }
        try await pair.mirror { $0 == "eu.58" || $0 == "eu.59" ? "x.\($0.dropFirst(3))" : nil }
        try await pair.server.withClient { client in
            for key in [58, 59] { try client.api("STREAM.PURGE.KV_src", "{\"filter\":\"$KV.src.eu.\(key)\"}") }
        }
        let mapping = try KeyMapping([try KeyMapping.Rule("eu.>=x.>")])
        let filter = [try KeyPattern("eu.>")]
        let others = try await pair.values("dst").filter { $0.key.hasPrefix("y.") }
        let report = try await pair.reconcile { options in
            options.mapping = mapping
            options.filter = filter
        }
        #expect(report.leftover == 2 && report.repaired == report.differences && report.isEqual, "\(report)")
        let values = try await pair.values("dst")
        let expected = try await pair.values("src").filter { $0.key.hasPrefix("eu.") }
        #expect(values.filter { $0.key.hasPrefix("y.") } == others && !others.isEmpty)
        let mirrored = values.filter { $0.key.hasPrefix("x.") }.map { ("eu." + $0.key.dropFirst(2), $0.value) }
        #expect(Dictionary(uniqueKeysWithValues: mirrored) == expected)
    }

    @Test("Where deletes do not travel, nothing is deleted")
    func keepsDeleted() async throws {
        let pair = try await Pair()
        defer { pair.server.close() }
        try await pair.server.withClient { client in
            for key in ["a", "b", "c"] { try client.put("src", key, "1") }
        }
        try await pair.mirror()
        try await pair.server.withClient { client in
            try client.putMany("src", [.delete(Array("a".utf8)), RawPut("b", "2")])
            try client.api("STREAM.PURGE.KV_src", #"{"filter":"$KV.src.c"}"#)
        }
        let report = try await pair.reconcile { $0.deletes = false }
        #expect(report.different == 1 && report.leftover == 0 && report.repaired == 1, "\(report)")
        #expect(try await pair.values("dst") == ["a": ["1"], "b": ["2"], "c": ["1"]])
        let strict = try await pair.reconcile()
        #expect(strict.leftover == 2 && strict.repaired == 2, "\(strict)")
        #expect(try await pair.values("dst") == ["b": ["2"]])
    }

    @Test("What the target's TTL has removed is no difference, and is not brought again")
    func expired() async throws {
        let pair = try await Pair(more: #""max_age":1000000000,"duplicate_window":1000000000"#)
        defer { pair.server.close() }
        try await pair.write(200, keys: 100)
        try await pair.mirror()
        try await eventually("the target to be empty") {
            try await pair.server.withClient { try $0.streamInfo("KV_dst").messages } == 0
        }
        let before = try await pair.lastSequence("dst")
        let report = try await pair.reconcile()
        #expect(report.expired > 50 && report.differences == 0 && report.isEqual, "\(report)")
        #expect(try await pair.lastSequence("dst") == before)
    }

    @Test("What a mirror that comes on has still to bring is waited for; one that does not is no reason to wait")
    func waits() async throws {
        let pair = try await Pair()
        defer { pair.server.close() }
        try await pair.write(500, keys: 100)
        try await pair.mirror(through: 300)
        let last = try await pair.lastSequence("src")
        let position = Mutex<UInt64>(300)
        let bringing = Task {
            try await Task.sleep(for: .milliseconds(40))
            for step in stride(from: UInt64(320), through: last, by: 20) {
                // The mirror says how far it is only when it is there.
                if step == last { try await pair.mirror() }
                position.withLock { $0 = step }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
        let report = try await pair.reconcile { options in
            options.settleTime = .milliseconds(250)
            options.mirrorPosition = { position.withLock { $0 } }
        }
        try await bringing.value
        #expect(report.repaired == 0 && report.differences == 0 && report.isEqual, "\(report)")

        _ = try await pair.server.withClient { try $0.put("src", "key.1", "not brought") }
        let stuck = try await pair.reconcile { options in
            options.mirrorPosition = { last }
        }
        #expect(stuck.repaired == 1, "\(stuck)")
    }

    @Test("Beside a running mirror, under writers: nothing is a difference but what others did, and that is repaired")
    func besideMirror() async throws {
        let pair = try await Pair()
        defer { pair.server.close() }
        try await pair.write(1500, keys: 300, prefix: "still.")
        for key in [1, 2, 3] {
            _ = try await pair.server.withClient { try $0.put("src", "still.\(key)", "current \(key)") }
        }
        let mirroring = Task {
            try await pair.server.withBuckets { buckets in
                let source = try await buckets.bucket(try BucketName("src"))
                return try await Mirror(source, to: buckets, as: try BucketName("dst")).run()
            }
        }
        let writer = BackgroundWriter(
            port: pair.server.port,
            bucket: "src",
            keys: 200,
            size: 20,
            perSecond: 500,
            seed: 9
        )
        try await eventually("the mirror to have caught up") { try await pair.lastSequence("dst") > 1500 }
        for _ in 0..<3 {
            let report = try await pair.reconcile { $0.settleTime = .milliseconds(200) }
            #expect(report.differences == 0 && report.repaired == 0 && report.equal >= 300, "\(report)")
        }
        _ = try await pair.server.withClient { client in
            try client.put("dst", "still.1", "foreign")
            try client.api("STREAM.PURGE.KV_dst", #"{"filter":"$KV.dst.still.2"}"#)
        }
        let repaired = try await pair.reconcile { $0.settleTime = .milliseconds(200) }
        #expect(repaired.foreign == 1 && repaired.missing == 1 && repaired.repaired == 2, "\(repaired)")
        try await writer.stop()
        _ = try await pair.server.withClient { try $0.put("src", "still.1", "newer") }
        try await eventually("the target to be equal") { try await pair.values("dst") == pair.values("src") }
        mirroring.cancel()
        let mirrored = try await mirroring.value
        #expect(mirrored.outcome == .stopped)
        // What a reconciliation has brought is no entry of others.
        #expect(mirrored.foreignChanges == 0, "\(mirrored)")
        let report = try await pair.reconcile(repairs: false)
        #expect(report.differences == 0 && report.newer == 0, "\(report)")
    }

    @Test("What a mirror with another choice of keys writes is not compared")
    func otherChoice() async throws {
        let pair = try await Pair()
        defer { pair.server.close() }
        try await pair.write(100, keys: 20)
        _ = try await pair.server.withBuckets { buckets in
            var options = MirrorOptions()
            options.follows = false
            options.filter = [try KeyPattern("key.*")]
            let source = try await buckets.bucket(try BucketName("src"))
            return try await Mirror(source, to: buckets, as: try BucketName("dst"), options: options).run()
        }
        let error = await #expect(throws: ReplicationError.self) { _ = try await pair.reconcile() }
        #expect(error?.code == .otherKeys)
        let report = try await pair.reconcile { $0.filter = [try KeyPattern("key.*")] }
        #expect(report.equal == 20 && report.differences == 0, "\(report)")
        _ = try await pair.server.withClient { client in
            try client.deleteStream("KV_src")
            try client.createBucket("src", history: 5)
        }
        let recreated = await #expect(throws: ReplicationError.self) {
            _ = try await pair.reconcile { $0.filter = [try KeyPattern("key.*")] }
        }
        #expect(recreated?.code == .sourceRecreated)
    }
}
