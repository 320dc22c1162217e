import KVModel
import KeyValue
import Replication
import TestSupport
import Testing

/// Mirrors against real servers: what they carry over, and what they refuse.
@Suite("Mirrors", .serialized)
struct MirrorTests {
    @Test("The kept history is written first, then every change as it comes", arguments: ServerBinary.all)
    func firstSyncAndLive(binary: ServerBinary) async throws {
        let rig = try await MirrorRig(binary, history: 64)
        defer { rig.close() }
        var generator = BucketGenerator(entries: 500, seed: 3)
        generator.hasOddKeys = true
        let fixed = generator
        let last = try await rig.from.withClient { try fixed.write(to: "src", with: $0) }
        let mirror = rig.start()
        try await mirror.live()
        #expect(try await rig.differences().isEmpty)
        #expect(try await rig.disorder().isEmpty)
        try await rig.from.withClient { client in
            var more = BucketGenerator(entries: 100, seed: 4)
            more.largeValues = 0
            try more.write(to: "src", with: client)
        }
        try await rig.awaitEqual()
        let report = try await mirror.stop()
        #expect(report.outcome == .stopped && report.isTargetNew)
        #expect(report.written > 100 && report.skipped == 0 && report.foreignChanges == 0)
        let again = try await rig.mirror(try MirrorRig.once())
        #expect(again.outcome == .caughtUp && again.written == 0 && !again.isTargetNew)
        #expect(again.fromRevision >= last && again.resumeRevision == last + 100)
        #expect(try await rig.disorder().isEmpty)
    }

    @Test("Of each key the target gets as much as its own history keeps")
    func historyLimit() async throws {
        let rig = try await MirrorRig(history: 10)
        defer { rig.close() }
        try await rig.from.withClient { client in
            for round in 0..<8 {
                for key in ["a", "b", "c"] { try client.put("src", key, "\(round)") }
            }
            try client.put("src", "d", "once")
        }
        let report = try await rig.mirror(try MirrorRig.once { $0.settings = ["history=2"] })
        #expect(report.written + report.superseded == 25)
        let (source, target) = (
            try await rig.histories("src", on: rig.from), try await rig.histories("dst", on: rig.to)
        )
        #expect(target == source.mapValues { Array($0.suffix(2)) })
        #expect(try await rig.disorder().isEmpty)
    }

    @Test("Deletes and purges travel with their effect, or are left out")
    func deletes() async throws {
        let rig = try await MirrorRig()
        defer { rig.close() }
        try await rig.from.withClient { client in
            for key in ["kept", "deleted", "purged"] {
                try client.put("src", key, "1")
                try client.put("src", key, "2")
            }
        }
        let with = rig.start()
        let without = rig.start(try MirrorRig.following { $0.deletes = false }, target: "all")
        try await with.live()
        try await without.live()
        try await rig.from.withClient { client in
            try client.putMany("src", [.delete(Array("deleted".utf8)), .purge(Array("purged".utf8))])
            try client.put("src", "last", "x")
        }
        try await rig.awaitEqual()
        try await eventually("the last key") { try await rig.histories("all", on: rig.to)[Array("last".utf8)] != nil }
        let all = try await rig.histories("all", on: rig.to)
        #expect(all[Array("deleted".utf8)] == [["1"], ["2"]] && all[Array("purged".utf8)] == [["1"], ["2"]])
        #expect(try await with.stop().filtered == 0)
        #expect(try await without.stop().filtered == 2)
        // Another run does not take up what this one has left out.
        let again = try await rig.mirror(try MirrorRig.once { $0.deletes = false }, target: "all")
        #expect(again.written == 0)
        await expect(.otherKeys) { try await rig.mirror(try MirrorRig.once(), target: "all") }
    }

    @Test("A part of the keys gets other names; two keys of one name are refused, whenever they come")
    func mapping() async throws {
        let rig = try await MirrorRig()
        defer { rig.close() }
        try await rig.from.withClient { client in
            for key in ["user.a", "user.b", "other.c"] { try client.put("src", key, key) }
        }
        let options = try MirrorRig.following {
            $0.filter = [try KeyPattern("user.>"), try KeyPattern("u.*")]
            $0.mapping = try KeyMapping([try KeyMapping.Rule("user.>=u.>")])
        }
        let mirror = rig.start(options)
        try await mirror.live()
        let found = try await rig.histories("dst", on: rig.to)
        #expect(found == [Array("u.a".utf8): [["user.a"]], Array("u.b".utf8): [["user.b"]]])
        _ = try await rig.from.withClient { try $0.put("src", "u.a", "another") }
        await expect(.keysCollide) { try await mirror.report() }
        await expect(.keysCollide) { try await rig.mirror(try MirrorRig.following { $0 = options }) }
        #expect(try await rig.histories("dst", on: rig.to) == found)
    }

    @Test("What has lifetime left gets that; what has expired is left out, and markers of expiry come over")
    func lifetimes() async throws {
        let more = #""allow_msg_ttl":true,"subject_delete_marker_ttl":8000000000"#
        let rig = try await MirrorRig(more: more)
        defer { rig.close() }
        _ = try await rig.from.withClient { client in
            try client.putMany(
                "src",
                [
                    RawPut(key: Array("long".utf8), headers: [RawHeader("Nats-TTL", "1h")], value: [1]),
                    RawPut(key: Array("never".utf8), headers: [RawHeader("Nats-TTL", "never")], value: [3]),
                ]
            )
        }
        let mirror = rig.start()
        try await mirror.live()
        let short = Array("short".utf8)
        // Only now: on a slow machine its marker would else be gone before the mirror is there.
        _ = try await rig.from.withClient { client in
            try client.putMany("src", [RawPut(key: short, headers: [RawHeader("Nats-TTL", "2s")], value: [2])])
        }
        for (name, server) in [("src", rig.from), ("dst", rig.to)] {
            try await eventually("the marker in \(name)") {
                let found = try await rig.histories(name, on: server)[short]
                // What is left of its own lifetime is said in other words.
                return found?.count == 1 && found?.last?.contains("Nats-Marker-Reason: MaxAge") == true
            }
        }
        let target = try await rig.histories("dst", on: rig.to)
        let left = try #require(target[Array("long".utf8)]?.last?.first.flatMap { Int($0.dropFirst(10)) })
        #expect((3500...3600).contains(left))
        #expect(target[Array("never".utf8)]?.last?.first == "Nats-TTL: never")
        try await eventually("the marker's end") {
            let (source, target) = (
                try await rig.histories("src", on: rig.from)[short], try await rig.histories("dst", on: rig.to)[short]
            )
            return source == nil && target == nil
        }
        #expect(try await mirror.stop().foreignChanges == 0)
        _ = try await rig.to.withClient { try $0.deleteStream("KV_dst") }
        #expect(try await rig.mirror(try MirrorRig.once()).written == 2)
    }

    @Test(
        "What is over before it is written takes with it what it has driven out of the source, and no more",
        arguments: [1, 5]
    )
    func expiredMeanwhile(history: Int) async throws {
        let rig = try await MirrorRig(servers: 2, history: history, more: #""allow_msg_ttl":true"#)
        defer { rig.close() }
        let (purged, replaced) = (Array("purged".utf8), Array("replaced".utf8))
        try await rig.from.withClient { client in
            for key in ["purged", "replaced"] { try client.put("src", key, "1") }
        }
        let mirror = rig.start()
        try await mirror.live()
        try await rig.to.kill()
        try await rig.from.withClient { client in
            let lifetime = RawHeader("Nats-TTL", "2s")
            let purge = [RawHeader("KV-Operation", "PURGE"), RawHeader("Nats-Rollup", "sub"), lifetime]
            try client.putMany(
                "src",
                [
                    RawPut(key: purged, headers: purge),
                    RawPut(key: replaced, headers: [lifetime], value: Array("2".utf8)),
                ]
            )
        }
        try await eventually("both to be read") { (mirror.progress?.lagEntries ?? 0) >= 2 }
        try await eventually("their end in the source") {
            try await rig.histories("src", on: rig.from) == (history == 1 ? [:] : [replaced: [["1"]]])
        }
        try await rig.to.restart()
        _ = try await rig.from.withClient { try $0.put("src", "last", "x") }
        try await eventually("the mirror to go on") {
            try await rig.histories("dst", on: rig.to)[Array("last".utf8)] != nil
        }
        // What was written in their place lives for a moment only.
        try await rig.awaitEqual()
        try await mirror.stop()
    }

    @Test("What others write to the target is counted, and the source wins; a key that vanished there is written again")
    func foreignChanges() async throws {
        let rig = try await MirrorRig()
        defer { rig.close() }
        try await rig.from.withClient { client in
            for key in ["a", "b", "c"] { try client.put("src", key, "1") }
        }
        let mirror = rig.start()
        try await mirror.live()
        _ = try await rig.to.withClient { client in
            try client.put("dst", "a", "theirs")
            _ = try client.api("STREAM.PURGE.KV_dst", #"{"filter":"$KV.dst.b"}"#)
        }
        try await rig.from.withClient { client in
            for key in ["a", "b", "c"] { try client.put("src", key, "2") }
        }
        try await eventually("the source's values") {
            try await rig.histories("dst", on: rig.to).values.allSatisfy { $0.last == ["2"] }
        }
        #expect(try await rig.histories("dst", on: rig.to)[Array("a".utf8)] == [["1"], ["theirs"], ["2"]])
        #expect(try await mirror.stop().foreignChanges == 1)
        _ = try await rig.to.withClient { try $0.put("dst", "c", "theirs") }
        #expect(try await rig.mirror(try MirrorRig.once()).foreignChanges == 1)
    }

    @Test("A target that was emptied is filled again, although its server still knows the entries' names")
    func emptied() async throws {
        let rig = try await MirrorRig()
        defer { rig.close() }
        try await rig.from.withClient { try $0.fill("src", count: 60, keys: 20, size: 10, seed: 1) }
        try await rig.mirror(try MirrorRig.once())
        try await rig.to.withClient { client in
            try client.api("STREAM.PURGE.KV_dst")
            try client.deleteStream("KV_cistern-mirrors")
        }
        #expect(try await rig.mirror(try MirrorRig.once()).written == 60)
        #expect(try await rig.differences().isEmpty)
        #expect(try await rig.disorder().isEmpty)
    }

    @Test("Entries get the same revisions, or the mirror stops")
    func revisions() async throws {
        let rig = try await MirrorRig()
        defer { rig.close() }
        try await rig.from.withClient { client in
            for index in 0..<40 { try client.put("src", "key.\(index % 20)", "\(index)") }
            try client.api("STREAM.PURGE.KV_src", #"{"seq":11}"#)
        }
        let mirror = rig.start(try MirrorRig.following { $0.preservesRevisions = true })
        try await mirror.live()
        _ = try await rig.from.withClient { try $0.put("src", "key.1", "new") }
        try await rig.awaitEqual()
        let source = try await rig.from.withClient { try $0.getAllMessages("KV_src") }
        let target = try await rig.to.withClient { try $0.getAllMessages("KV_dst") }
        #expect(source.map(\.seq) == target.map(\.seq) && target.first?.seq == 11)
        _ = try await rig.to.withClient { try $0.put("dst", "theirs", "x") }
        _ = try await rig.from.withClient { try $0.put("src", "key.2", "new") }
        await expect(.revisionsDiffer) { try await mirror.report() }
        await expect(.revisionsDiffer) {
            try await rig.mirror(try MirrorRig.once { $0.preservesRevisions = true })
        }
    }

    @Test("Nearly all changes are in the target within some milliseconds", .enabled(if: isLongRun))
    func lag() async throws {
        let rig = try await MirrorRig(servers: 2, history: 1)
        defer { rig.close() }
        try await rig.from.withClient { try $0.fill("src", count: 2000, size: 100, seed: 1) }
        let mirror = rig.start()
        try await mirror.live()
        let first = try await rig.from.withClient { try $0.streamInfo("KV_src").lastSequence }
        let writer = BackgroundWriter(
            port: rig.from.port,
            bucket: "src",
            keys: 100_000,
            size: 100,
            perSecond: 1000,
            seed: 2
        )
        try await eventually("enough writes") { writer.written > 10_000 }
        try await writer.stop()
        try await rig.awaitEqual()
        let (source, target) = (
            try await rig.from.withClient { try $0.getAllMessages("KV_src") },
            try await rig.to.withClient { try $0.getAllMessages("KV_dst") }
        )
        let times = Dictionary(source.map { (String($0.seq), Timestamp(rfc3339: $0.time)) }) { $1 }
        let lags = target.compactMap { message -> Int64? in
            let name = message.headerList.first { $0.name == "Nats-Msg-Id" }?.value.split(separator: ":").last
            guard let name, UInt64(name) ?? 0 > first, let there = times[String(name)] ?? nil,
                let here = Timestamp(rfc3339: message.time)
            else { return nil }
            return (here.nanoseconds - there.nanoseconds) / 1000
        }.sorted()
        // Other tests run at the same time: alone, 99 % are there within some milliseconds.
        #expect(lags.count > 5000 && lags[lags.count / 2] < 100_000, "\(lags[lags.count / 2]) µs")
        try await mirror.stop()
    }

    @Test("What takes no writes, or is the source itself, is refused")
    func refusals() async throws {
        let rig = try await MirrorRig()
        defer { rig.close() }
        let options = try MirrorRig.once()
        await expect(.sameBucket) { try await rig.mirror(options, target: "src") }
        await expect(.unsupported) { try await rig.mirror(options, target: "cistern-mirrors") }
        try await rig.to.withClient { client in
            try client.createStream(#"{"name":"KV_copy","mirror":{"name":"KV_src"}}"#)
            try client.createBucket("begun", more: #""metadata":{"cistern.restore-incomplete":"x"}"#)
            try client.createBucket("small", more: #""max_msg_size":200"#)
            try client.putMany("src", [RawPut(key: [97], value: [UInt8](repeating: 1, count: 500))])
        }
        await expect(.unsupported) { try await rig.mirror(options, target: "copy") }
        await expect(.unsupported) { try await rig.mirror(options, target: "begun") }
        await expect(.targetRefuses) { try await rig.mirror(options, target: "small") }
        await expect(.targetRefuses) {
            try await rig.mirror(try MirrorRig.once { $0.settings = ["replicas=3"] }, target: "three")
        }
    }
}

/// Expects a mirror to end with an error of this code.
func expect(
    _ code: ReplicationError.Code,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> MirrorReport
) async {
    await #expect(sourceLocation: sourceLocation) {
        _ = try await body()
    } throws: { error in
        (error as? ReplicationError)?.code == code
    }
}
