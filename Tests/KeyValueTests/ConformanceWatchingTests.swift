import JetStream
import KVModel
import KeyValue
import NATSClient
import TestSupport
import Testing

/// ADR-8 by the numbers of the table in ConformanceTable: what watches tell.
@Suite("Conformance: watching")
struct ConformanceWatchingTests {
    @Test("8.64 and 8.65 a watch shows the newest of each key, the end, and every change", arguments: ServerBinary.all)
    func newest(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 5) { rig in
            for value in ["1", "2"] {
                try await rig.kv.put("a.x", value)
                try await rig.kv.put("b", value)
            }
            try await rig.kv.delete("b")
            let all = try await rig.events(entries: 4) {
                try await rig.kv.put("a.x", "3")
                try await rig.kv.purge("c.d")
            }
            #expect(all == ["PUT a.x@3", "DEL b@5", "end", "PUT a.x@6", "PURGE c.d@7"])
            let one = try await rig.events([try KeyPattern("b")], entries: 2) { try await rig.kv.put("b", "3") }
            #expect(one == ["DEL b@5", "end", "PUT b@8"])
            #expect(try await rig.events([try KeyPattern("a.*")], entries: 1) == ["PUT a.x@6", "end"])
            #expect(try await rig.events([try KeyPattern("c.>")], entries: 1) == ["PURGE c.d@7", "end"])
        }
    }

    @Test("8.66 several patterns, overlapping ones too, show each entry once", arguments: ServerBinary.all)
    func severalPatterns(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary) { rig in
            for key: Key in ["a.1", "b.1", "c.1"] { try await rig.kv.put(key, "v") }
            let apart = [try KeyPattern("a.*"), try KeyPattern("c.1")]
            #expect(try await rig.events(apart, entries: 2) == ["PUT a.1@1", "PUT c.1@3", "end"])
            let overlapping = [try KeyPattern("a.*"), try KeyPattern("a.1"), try KeyPattern("*.1")]
            let seen = try await rig.events(overlapping, entries: 4) { try await rig.kv.put("a.1", "w") }
            #expect(seen == ["PUT a.1@1", "PUT b.1@2", "PUT c.1@3", "end", "PUT a.1@4"])
        }
    }

    @Test("8.67, 8.68 and 8.71 history, updates only, from a revision", arguments: ServerBinary.all)
    func starts(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 5) { rig in
            for value in ["1", "2", "3"] { try await rig.kv.put("a", value) }
            let history = KeyWatchOptions(start: .history)
            #expect(try await rig.events([], history, entries: 3) == ["PUT a@1", "PUT a@2", "PUT a@3", "end"])
            let later = KeyWatchOptions(start: .revision(2))
            #expect(try await rig.events([], later, entries: 2) == ["PUT a@2", "PUT a@3", "end"])
            #expect(try await rig.events([], KeyWatchOptions(start: .revision(4)), entries: 0) == ["end"])
            let updates = try await rig.events([], KeyWatchOptions(start: .updates), entries: 1) {
                try await rig.kv.put("a", "4")
            }
            #expect(updates == ["end", "PUT a@4"])
        }
    }

    @Test("8.69 and 8.70 without deletes, without values", arguments: ServerBinary.all)
    func leftOut(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary) { rig in
            try await rig.kv.put("a", "12345")
            try await rig.kv.put("b", "1")
            try await rig.kv.delete("b")
            let quiet = KeyWatchOptions(ignoresDeletes: true)
            let seen = try await rig.events([], quiet, entries: 2) {
                try await rig.kv.purge("a")
                try await rig.kv.put("b", "2")
            }
            #expect(seen == ["PUT a@1", "end", "PUT b@5"])
            for try await entry in rig.kv.watch(options: KeyWatchOptions(withoutValues: true)).entries
            where entry.operation == .put {
                #expect(entry.value.isEmpty && entry.size == 1 && entry.key == "b")
                break
            }
        }
    }

    @Test("8.72 and 8.73 the end comes once, also where there is nothing to show", arguments: ServerBinary.all)
    func ends(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary) { rig in
            #expect(try await rig.events(entries: 0) == ["end"])
            try await rig.kv.delete("a")
            #expect(try await rig.events([], KeyWatchOptions(ignoresDeletes: true), entries: 0) == ["end"])
            #expect(try await rig.events([try KeyPattern("b.*")], entries: 0) == ["end"])
            #expect(try await rig.events([], KeyWatchOptions(start: .updates), entries: 0) == ["end"])
        }
    }

    @Test("8.74 delta says how many are to come", arguments: ServerBinary.all)
    func deltas(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary) { rig in
            for number in 0..<5 { try await rig.kv.put(Key("k.\(number)"), "v") }
            var deltas: [UInt64] = []
            for try await entry in rig.kv.watch().entries {
                deltas.append(entry.delta)
                if deltas.count == 5 { break }
            }
            #expect(deltas == [4, 3, 2, 1, 0])
        }
    }

    @Test("8.76 no gap and no repeat over cut connections", arguments: ServerBinary.all)
    func cuts(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 64) { rig in
            let server = try await SharedServers.server(binary)
            let proxy = try TCPProxy(to: server.port)
            defer { proxy.close() }
            for number in 0..<200 { try await rig.kv.put(Key("k.\(number % 50)"), "\(number)") }
            try await withBuckets(at: "nats://127.0.0.1:\(proxy.port)") { buckets in
                let kv = try await buckets.open(rig.name)
                var revisions: [Revision] = []
                var sawEnd = false
                watching: for try await event in kv.watch(options: KeyWatchOptions(start: .history)) {
                    switch event {
                    case .endOfInitialData: sawEnd = true
                    case .undecodable(let error): throw error
                    case .entry(let entry):
                        revisions.append(entry.revision)
                        if revisions.count < 400, entry.revision >= 200 {
                            if entry.revision % 20 == 0 { proxy.cut() }
                            try await rig.kv.put("k.1", "\(entry.revision)")
                        }
                        if revisions.count == 400 { break watching }
                    }
                }
                #expect(sawEnd)
                #expect(revisions == Array(1...400))
            }
        }
    }

    @Test(
        "8.77 and 8.78 a watch that nobody reads, or of an empty bucket, outlives a restart",
        arguments: ServerBinary.all
    )
    func restart(binary: ServerBinary) async throws {
        try await withBuckets(binary) { buckets, server in
            let empty = KeyValueBucket(try await buckets.create(BucketConfiguration(name: try BucketName("empty"))))
            let idle = KeyValueBucket(try await buckets.create(BucketConfiguration(name: try BucketName("idle"))))
            try await idle.put("a", "1")
            var fromEmpty = empty.watch().makeAsyncIterator()
            var fromIdle = idle.watch().entries.makeAsyncIterator()
            guard case .endOfInitialData = try await fromEmpty.next() else {
                Issue.record("an empty bucket has no entries")
                return
            }
            #expect(try await fromIdle.next()?.revision == 1)
            try await server.restart()
            try await empty.bucket.context.connection.waitUntilConnected(timeout: .seconds(30))
            for kv in [empty, idle] {
                try await eventually("the bucket to be back") {
                    do {
                        _ = try await kv.bucket.refreshed()
                        return true
                    } catch {
                        return false
                    }
                }
                try await kv.put("b", "2")
            }
            guard case .entry(let entry) = try await fromEmpty.next() else {
                Issue.record("the entry is missing")
                return
            }
            #expect(entry.key == "b")
            #expect(try await fromIdle.next()?.key == "b")
        }
    }

    @Test(
        "8.79 and 8.80 a bucket that is deleted, or made again, ends its watches with an error",
        arguments: ServerBinary.all
    )
    func deletedBucket(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary) { rig in
            var first = rig.kv.watch().makeAsyncIterator()
            _ = try await first.next()
            try await rig.buckets.delete(rig.name)
            await expect(.bucketNotFound) { _ = try await first.next() }
            _ = try await rig.buckets.create(BucketConfiguration(name: rig.name))
            var second = rig.kv.watch().makeAsyncIterator()
            _ = try await second.next()
            try await rig.buckets.delete(rig.name)
            _ = try await rig.buckets.create(BucketConfiguration(name: rig.name))
            await #expect {
                _ = try await second.next()
            } throws: { error in
                (error as? JetStreamError)?.code == .streamRecreated
            }
        }
    }

    @Test("8.81 a watch that is left or cancelled frees its consumer", arguments: ServerBinary.all)
    func cancelled(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary) { rig in
            try await rig.kv.put("a", "1")
            for _ in 0..<3 { for try await _ in rig.kv.watch() { break } }
            let task = Task { for try await _ in rig.kv.watch() {} }
            @Sendable func consumers() async throws -> Int64 {
                try await rig.kv.bucket.refreshed().info.reply["state"]?["consumer_count"]?.integer ?? 0
            }
            try await eventually("the watch to begin") { try await consumers() > 0 }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            try await eventually("the consumers to go") { try await consumers() == 0 }
        }
    }

    @Test("8.82 writing inside the loop over more than may wait is fine", arguments: ServerBinary.all)
    func slowReader(binary: ServerBinary) async throws {
        try await ConformanceRig.run(binary, history: 2) { rig in
            let value = [UInt8](repeating: 7, count: 64 << 10)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<320 { group.addTask { try await rig.kv.put(Key("k.\(number)"), value) } }
                try await group.waitForAll()
            }
            var options = KeyWatchOptions()
            options.capacity = 1 << 20
            var last: Revision = 0
            var isInitial = true
            var seen: Set<Key> = []
            watching: for try await event in rig.kv.watch(options: options) {
                switch event {
                case .endOfInitialData: isInitial = false
                case .undecodable(let error): throw error
                case .entry(let entry):
                    #expect(entry.revision > last)
                    last = entry.revision
                    seen.insert(entry.key)
                    if entry.revision <= 320 { try await rig.kv.put(entry.key, "read") }
                    if !isInitial, seen.count == 320, entry.revision == 640 { break watching }
                }
                if !isInitial, last == 640 { break }
            }
            #expect(seen.count == 320)
        }
    }
}
