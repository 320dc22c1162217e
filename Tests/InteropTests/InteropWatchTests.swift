import Foundation
import KVModel
import KeyValue
import TestSupport
import Testing

@Suite("Watches, keys and configurations together with nats-py", .enabled(if: PythonPeer.isThere, InteropRig.skipped))
struct InteropWatchTests {
    /// A bucket of values and markers of both sides.
    private static func fill(_ rig: InteropRig, _ name: String) async throws -> KeyValueBucket {
        let bucket = try await rig.bucket(name)
        for (index, key) in ["a.one", "a.two", "b.one", "b.two.deep", "c"].enumerated() {
            try await bucket.put(Key(key), "first")
            _ = try await rig.put(name, key, "second \(index)")
        }
        try await bucket.delete("a.two")
        try await rig.python.perform(.init("purge", name, "b.one"))
        return bucket
    }

    @Test("Watches show the same", arguments: ServerBinary.all)
    func watches(binary: ServerBinary) async throws {
        try await InteropRig.run(binary) { rig in
            let bucket = try await Self.fill(rig, "watched")
            for pattern in [">", "a.*", "b.>", "c", "none.*"] {
                for (history, ignoresDeletes) in [(false, false), (true, false), (false, true)] {
                    let options = KeyWatchOptions(start: history ? .history : .newest, ignoresDeletes: ignoresDeletes)
                    let ours = try await bucket.watched([KeyPattern(pattern)], options).map(Shown.init)
                    let theirs = try await rig.watched("watched", pattern, atLeast: ours.count) {
                        $0.history = history
                        $0.ignoreDeletes = ignoresDeletes
                    }.map(Shown.init)
                    // Servers before 2.10 send the newest of each key in no order.
                    let inOrder = history || binary.isAtLeast("2.10")
                    #expect(inOrder ? ours == theirs : Set(ours) == Set(theirs), "\(pattern) \(options)")
                    #expect(pattern == "none.*" ? ours.isEmpty : !ours.isEmpty)
                }
            }
            let sizes = try await bucket.watched([], KeyWatchOptions(withoutValues: true))
            let bare = try await rig.watched("watched", atLeast: sizes.count) { $0.metaOnly = true }
            #expect(Set(sizes.map(Shown.init)) == Set(bare.map(Shown.init)))
            #expect(sizes.allSatisfy { $0.value.isEmpty })
            #expect(sizes.contains { $0.size == "second 0".utf8.count })
        }
    }

    @Test("Each watch shows what the other writes", arguments: ServerBinary.all)
    func changes(binary: ServerBinary) async throws {
        try await InteropRig.run(binary) { rig in
            let bucket = try await Self.fill(rig, "live")
            let watch = try await rig.python.perform(.init("watch", "live", "new.>")).watch
            #expect(try await rig.next(watch) == nil)
            var ours = bucket.watch([try KeyPattern("new.>")]).makeAsyncIterator()
            guard case .endOfInitialData = try await ours.next() else {
                Issue.record("an entry of another key")
                return
            }
            let written = try await bucket.put("new.ours", "x")
            #expect(try await rig.next(watch).map(Shown.init)?.revision == written)
            _ = try await rig.put("live", "new.theirs", "y")
            try await rig.python.perform(.init("delete", "live", "new.ours"))
            #expect(try await rig.next(watch)?.key == "new.theirs")
            #expect(try await rig.next(watch)?.operation == "DEL")
            var seen: [Shown] = []
            while seen.count < 3, case .entry(let entry) = try await ours.next() { seen.append(Shown(entry)) }
            #expect(seen.map(\.operation) == ["PUT", "PUT", "DEL"])
            #expect(seen.map(\.key) == ["new.ours", "new.theirs", "new.ours"])
        }
    }

    @Test("Keys", arguments: ServerBinary.all) func keys(binary: ServerBinary) async throws {
        try await InteropRig.run(binary) { rig in
            let bucket = try await Self.fill(rig, "keys")
            let all = try await bucket.keys().all().map(\.description)
            #expect(all == ["a.one", "b.two.deep", "c"])
            #expect(try await rig.keys("keys", atLeast: all.count) == all)
            #expect(try await bucket.keys(matching: [KeyPattern("a.*"), KeyPattern("c")]).all() == ["a.one", "c"])
            // A known difference: nats-py's filters are parts of a key's text, patterns mean nothing to it.
            #expect(try await rig.keys("keys", ["a.*"], atLeast: 0).isEmpty)
            #expect(try await rig.keys("keys", ["one", "c"], atLeast: 2) == ["a.one", "c"])
            let empty = try await rig.bucket("empty")
            #expect(try await empty.keys().all().isEmpty)
            #expect(try await rig.keys("empty", atLeast: 0).isEmpty)
        }
    }

    /// The configuration that the server reports, without what it adds by itself.
    private static func configuration(_ rig: InteropRig, _ name: String) async throws -> [String: JSONValue] {
        let stream = try await rig.open(name).bucket.configuration.withoutServerMetadata.stream
        return stream.object ?? [:]
    }

    @Test("Buckets are made alike", arguments: ServerBinary.all)
    func configurations(binary: ServerBinary) async throws {
        try await InteropRig.run(binary) { rig in
            _ = try await rig.bucket("plain.ours".replacing(".", with: "_")) { _ in }
            try await rig.python.perform(.init("create_bucket", "plain_theirs"))
            _ = try await rig.bucket("full_ours") {
                $0.description = "all of it"
                $0.history = 5
                $0.ttl = 60_000_000_000
                $0.maximumValueSize = 1_000
                $0.maximumBytes = 1_000_000
                $0.storage = "memory"
                if rig.knowsLifetimes { $0.limitMarkerTTL = 5_000_000_000 }
            }
            let full = PythonPeer.Command("create_bucket", "full_theirs").with {
                $0.settings = [
                    "description": "all of it", "history": 5, "ttl": 60, "max_value_size": 1_000,
                    "max_bytes": 1_000_000, "storage": "memory",
                ]
                if rig.knowsLifetimes { $0.settings?["limit_marker_ttl"] = 5 }
            }
            try await rig.python.perform(full)

            for kind in ["plain", "full"] {
                let ours = try await Self.configuration(rig, "\(kind)_ours")
                let theirs = try await Self.configuration(rig, "\(kind)_theirs")
                var different: Set<String> = []
                for field in Set(ours.keys).union(theirs.keys) where ours[field] != theirs[field] {
                    different.insert(field)
                }
                // Known differences: nats-py does not ask for direct gets, and always allows keys a lifetime.
                var known: Set = ["name", "subjects", "allow_direct"]
                if rig.knowsLifetimes, kind == "plain" { known.insert("allow_msg_ttl") }
                #expect(different == known, "\(kind): \(different.sorted())")
                #expect(ours["allow_direct"]?.bool == true)
                #expect(theirs["allow_direct"]?.bool != true)
            }

            // nats-py reads ours as it was meant, and both work in the other's.
            let status = try await rig.python.perform(.init("status", "full_ours")).text ?? ""
            let facts = try JSONDecoder().decode(JSONValue.self, from: Data(status.utf8))
            #expect(facts["history"]?.integer == 5)
            #expect(facts["bucket"]?.string == "full_ours")
            if rig.knowsLifetimes { #expect(facts["marker_ttl"] != nil) }
            let theirs = try await rig.open("full_theirs")
            try await theirs.put("k", "v")
            #expect(try await theirs.get("k")?.string == "v")
            #expect(try await rig.get("full_theirs", "k")?.value == Data("v".utf8))
            #expect(theirs.bucket.configuration.history == 5)
            #expect(theirs.bucket.configuration.ttl == 60_000_000_000)
        }
    }
}
