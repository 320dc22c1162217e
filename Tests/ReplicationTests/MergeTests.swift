import Archive
import JetStream
import KVModel
import KeyValue
import Replication
import Synchronization
import TestSupport
import Testing

/// Merges into buckets that hold entries, against real servers; judged by a model that shares nothing with the engine.
@Suite("Merging into a bucket that is in use", .serialized)
struct MergeTests {
    /// Writes to both buckets in turns, so that what is newer is now on this side, now on that.
    private func mix(_ rig: MergeRig, _ count: Int, keys: Int, seed: UInt64) async throws {
        try await rig.server.withClient { client in
            var random = SeededGenerator(seed: seed)
            for _ in 0..<count {
                let key = "key.\(Int.random(in: 0..<keys, using: &random))"
                let bytes = Array(key.utf8)
                let put: RawPut =
                    switch Int.random(in: 0..<10, using: &random) {
                    case 0: .delete(bytes)
                    case 1: .purge(bytes)
                    case 2: RawPut(key: bytes, headers: [RawHeader("X-Of", "test")], value: Array("same".utf8))
                    // Few values, so that some are the same on both sides.
                    default: RawPut(key, "value \(Int.random(in: 0..<3, using: &random))")
                    }
                // One at a time: the server's times are in this order.
                try client.putMany(Bool.random(using: &random) ? "src" : "dst", [put])
            }
        }
    }

    /// What the target must hold of each key afterwards, and how many of each kind there are.
    private struct Model {
        var expected: [[UInt8]: RawMessage] = [:]
        var unchanged: Set<[UInt8]> = []
        var counts: [String: Int] = [:]

        init(_ source: [[UInt8]: RawMessage], _ target: [[UInt8]: RawMessage], overwrites: Bool) throws {
            for (key, message) in source {
                guard let present = target[key] else {
                    if message.isTombstone { count("equal") } else { take(key, message) }
                    continue
                }
                let isSame = message.isTombstone ? present.isTombstone : message.content == present.content
                let times = try [message, present].map { try #require(Timestamp(rfc3339: $0.time)) }
                if isSame {
                    keep(key, present, "equal")
                } else if times[0] > times[1] {
                    take(key, message)
                } else if overwrites {
                    take(key, message)
                    count("overwritten")
                } else {
                    keep(key, present, "kept")
                }
            }
            for (key, message) in target where source[key] == nil {
                expected[key] = message
                unchanged.insert(key)
            }
        }

        private mutating func take(_ key: [UInt8], _ message: RawMessage) {
            expected[key] = message
            count(message.isTombstone ? "deleted" : "written")
        }

        private mutating func keep(_ key: [UInt8], _ message: RawMessage, _ what: String) {
            expected[key] = message
            unchanged.insert(key)
            count(what)
        }

        private mutating func count(_ what: String) { counts[what, default: 0] += 1 }
    }

    private func counts(_ merge: MergeReport?) -> [String: Int] {
        guard let merge else { return [:] }
        let all = [
            "written": merge.written, "deleted": merge.deleted, "overwritten": merge.overwritten, "equal": merge.equal,
            "kept": merge.kept,
        ]
        return all.filter { $0.value > 0 }.mapValues { Int($0) }
    }

    @Test(
        "What is newer there is kept or written over, the rest is merged, and nothing else changes",
        arguments: ServerBinary.all,
        [false, true]
    )
    func mixed(binary: ServerBinary, overwrites: Bool) async throws {
        let rig = try await MergeRig(binary)
        defer { rig.close() }
        try await mix(rig, 600, keys: 150, seed: overwrites ? 1 : 2)
        try await rig.capture()
        let configuration = try await rig.server.withClient { try $0.streamInfo("KV_dst").configuration }
        let before = try await rig.newest("dst")
        let model = try Model(try await rig.newest("src"), before, overwrites: overwrites)
        // Otherwise the test proves nothing.
        for what in ["written", "deleted", "equal", overwrites ? "overwritten" : "kept"] {
            #expect(model.counts[what] ?? 0 > 0, "no key is \(what)")
        }
        let options = try MergeRig.options { $0.overwrites = overwrites }
        let last = try await rig.server.withClient { try $0.streamInfo("KV_dst").lastSequence }
        #expect(counts(try await rig.preview(options)) == model.counts)
        #expect(try await rig.server.withClient { try $0.streamInfo("KV_dst").lastSequence } == last)
        let report = try await rig.merge(options)
        #expect(report.plan.action == .merge && report.plan.changes.isEmpty)
        #expect(counts(report.merge) == model.counts)
        #expect(report.comparison?.isEqual == true)
        #expect(report.merge?.examples.isEmpty == false)
        let after = try await rig.newest("dst")
        #expect(Set(after.keys) == Set(model.expected.keys))
        for (key, message) in model.expected {
            let found = try #require(after[key])
            #expect(found.content == message.content, "\(found) is not \(message)")
            if model.unchanged.contains(key) { #expect(found.seq == before[key]?.seq, "\(found) was written anew") }
        }
        #expect(try await rig.server.withClient { try $0.streamInfo("KV_dst").configuration } == configuration)
        let again = try await rig.merge(try MergeRig.options())
        #expect(again.written == 0 && again.merge?.overwritten == 0)
        #expect(again.merge?.equal == again.merge.map { $0.keys - $0.kept })
    }

    @Test("--history latest brings values only, no deletes; a part of the keys gets other names on the way")
    func values() async throws {
        let rig = try await MergeRig()
        defer { rig.close() }
        try await rig.server.withClient { client in
            for key in ["eu.a", "eu.b", "us.a"] { try client.put("dst", key, "there") }
            try client.put("dst", "x.a", "there")
            try client.put("src", "eu.a", "new")
            try client.put("src", "us.a", "new")
            try client.putMany("src", [.delete(Array("eu.b".utf8))])
        }
        try await rig.capture()
        var options = try MergeRig.options {
            $0.history = .latest
            $0.filter = [try KeyPattern("eu.>")]
        }
        let latest = try await rig.merge(options)
        #expect(latest.merge?.written == 1 && latest.merge?.deleted == 0 && latest.merge?.keys == 1)
        options.history = .bucket
        options.mapping = try KeyMapping([try KeyMapping.Rule("eu.>=x.>")])
        let mapped = try await rig.merge(options)
        #expect(mapped.merge?.keys == 2 && mapped.merge?.written == 1 && mapped.comparison?.isEqual == true)
        let found = try await rig.newest("dst").map { (String(decoding: $0.key, as: UTF8.self), $0.value.content) }
        #expect(
            Dictionary(uniqueKeysWithValues: found)
                == ["eu.a": ["new"], "eu.b": ["there"], "us.a": ["there"], "x.a": ["new"]]
        )
    }

    @Test("A merged copy is as old as its original: what was written to that since comes over at the next merge")
    func copies() async throws {
        let rig = try await MergeRig()
        defer { rig.close() }
        try await rig.server.withClient { client in
            try client.put("dst", "other", "there")
            try client.put("src", "k", "one")
            try client.put("src", "l", "one")
        }
        try await rig.capture()
        // Before the merge, whose copy of "one" is stored later.
        _ = try await rig.server.withClient { try $0.put("src", "k", "two") }
        #expect(try await rig.merge(try MergeRig.options()).written == 2)
        _ = try await rig.server.withClient { try $0.put("dst", "l", "theirs") }
        try await rig.capture()
        let second = try await rig.merge(try MergeRig.options())
        #expect(second.merge?.written == 1 && second.merge?.kept == 1)
        let newest = try await rig.newest("dst")
        #expect(newest[Array("k".utf8)]?.content == ["two"])
        #expect(newest[Array("l".utf8)]?.content == ["theirs"])
    }

    @Test("Writers go on and lose nothing", arguments: ServerBinary.all, [false, true])
    func writers(binary: ServerBinary, overwrites: Bool) async throws {
        let rig = try await MergeRig(binary, sourceHistory: 1, targetHistory: 64)
        defer { rig.close() }
        try await rig.server.withClient { client in
            try client.fill("src", count: 10_000, size: 200, seed: 4)
            try client.put("dst", "other", "there")
        }
        try await rig.capture()
        let writer = BackgroundWriter(
            port: rig.server.port,
            bucket: "dst",
            keys: 10_000,
            size: 20,
            perSecond: 6000,
            seed: 5
        )
        try await eventually("some writes") { writer.written > 500 }
        let report = try await rig.merge(try MergeRig.options { $0.overwrites = overwrites })
        try await writer.stop()
        let merge = try #require(report.merge)
        #expect(merge.contested > 0, "nobody came before the merge at any key: the test proves nothing")
        #expect(merge.written + merge.kept + merge.equal == 10_000)
        #expect(report.comparison?.isEqual == true)
        let messages = try await rig.messages("dst")
        let first = try #require(messages.first { $0.isMerged }).seq
        var previous: [[UInt8]: RawMessage] = [:]
        var merged = 0
        for message in messages {
            if message.isMerged {
                merged += 1
                // Only what was there before the merge began may be written over, and only if that was asked for.
                if let before = previous[message.subject] {
                    #expect(overwrites && before.seq < first, "\(message) was written over \(before)")
                }
            }
            previous[message.subject] = message
        }
        #expect(UInt64(merged) == merge.written)
        #expect(previous.count == 10_001)
    }

    @Test("A server that goes away in the middle is waited for, and a merge that was stopped is merged again")
    func interrupted() async throws {
        let rig = try await MergeRig(sourceHistory: 1)
        defer { rig.close() }
        try await rig.server.withClient { client in
            try client.fill("src", count: 4000, size: 1000, seed: 6)
            try client.put("dst", "other", "there")
        }
        try await rig.capture()
        let options = try MergeRig.options { $0.bytesPerSecond = 3 << 20 }
        let stopped = Task {
            try await rig.merge(options) { state in
                if state.phase == .writing, state.entries > 500 { withUnsafeCurrentTask { $0?.cancel() } }
            }
        }
        await #expect(throws: (any Error).self) { _ = try await stopped.value }
        let some = try await rig.newest("dst").count
        #expect(some > 500 && some < 4001)
        let progress = Mutex<UInt64>(0)
        async let merging = rig.merge(options) { state in
            if state.phase == .writing { progress.withLock { $0 = state.entries } }
        }
        try await eventually("some more") { progress.withLock { $0 } > UInt64(some) + 500 }
        try await rig.server.kill()
        try await rig.server.restart()
        let report = try await merging
        #expect(report.interruptions > 0)
        let merge = try #require(report.merge)
        #expect(merge.kept == 0 && merge.written + merge.equal == 4000 && merge.equal + 1 >= UInt64(some))
        let source = try await rig.newest("src")
        let target = try await rig.newest("dst")
        #expect(source.allSatisfy { target[$0.key]?.content == $0.value.content })
        #expect(try await rig.messages("dst").count == 4001)
    }

    @Test("What a merge has no meaning for is refused, and nothing is written")
    func refusals() async throws {
        let rig = try await MergeRig()
        defer { rig.close() }
        try await rig.server.withClient { client in
            try client.put("src", "k", "new")
            try client.put("dst", "k", "old")
            try client.putMany("src", [RawPut(key: Array("large".utf8), value: [UInt8](repeating: 1, count: 2000))])
        }
        try await rig.capture()
        let changes: [@Sendable (inout RestoreOptions) -> Void] = [
            { $0.history = .full }, { $0.settings = ["history=9"] }, { $0.mode = .exact }, { $0.intoExisting = false },
        ]
        for change in changes {
            let options = try MergeRig.options(change)
            await #expect(throws: ReplicationError.self) { _ = try await rig.merge(options) }
        }
        try await rig.server.withClient { client in
            try client.createBucket("dst2", more: #""max_msg_size":1000"#)
            try client.put("dst2", "k", "old")
        }
        var options = try MergeRig.options()
        options.newName = try BucketName("dst2")
        let tooLarge = options
        await #expect { _ = try await rig.merge(tooLarge) } throws: { error in
            let error = error as? ReplicationError
            return error?.code == .targetRefuses && error?.text.contains("large") == true
        }
        #expect(try await rig.messages("dst").count == 1)
        #expect(try await rig.messages("dst2").count == 1)
        options.filter = [try KeyPattern("k")]
        #expect(try await rig.merge(options).merge?.kept == 1)
    }

    @Test("What has expired is left out; what has lifetime left gets that", arguments: ServerBinary.all)
    func lifetimes(binary: ServerBinary) async throws {
        let rig = try await MergeRig(binary)
        defer { rig.close() }
        try await rig.server.withClient { client in
            try client.put("src", "old", "x")
            try client.createBucket("short", more: #""max_age":4000000000,"duplicate_window":1000000000"#)
        }
        let over = Timestamp.wallClock().adding(nanoseconds: 4_000_000_000)
        try await eventually("the end of its time") { Timestamp.wallClock() > over }
        _ = try await rig.server.withClient { client in
            try client.put("src", "new", "y")
            try client.put("short", "there", "z")
        }
        try await rig.capture()
        let options = try MergeRig.options { $0.newName = try BucketName("short") }
        let report = try await rig.merge(options)
        #expect(report.merge?.written == 1 && report.merge?.expired == 1)
        #expect(report.comparison?.isEqual == true)
    }
}
