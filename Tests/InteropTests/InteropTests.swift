import Foundation
import KVModel
import KeyValue
import TestSupport
import Testing

/// What one of the two clients writes, the other reads as it was meant: ours and nats-py, on every server version.
@Suite("Together with nats-py", .enabled(if: PythonPeer.isThere, InteropRig.skipped))
struct InteropTests {
    private static let values: [String: [UInt8]] = [
        "empty": [], "text": Array("größe\r\n".utf8), "binary": Array(0...255),
        "large": Array(repeatElement(Array(0...255), count: (1 << 12) - 2).joined()),
    ]

    @Test("Values, markers and old revisions", arguments: ServerBinary.all)
    func values(binary: ServerBinary) async throws {
        try await InteropRig.run(binary) { rig in
            let bucket = try await rig.bucket("values")
            for (key, value) in Self.values.sorted(by: { $0.key < $1.key }) {
                let ours = try await bucket.put(Key("ours.\(key)"), value)
                let theirs = try #require(try await rig.put("values", "theirs.\(key)", value))
                #expect(theirs == ours + 1)
                #expect(try await rig.get("values", "ours.\(key)").map(Shown.init)?.value == value)
                #expect(try await rig.get("values", "ours.\(key)")?.revision == ours)
                let read = try await bucket.get(Key("theirs.\(key)"), consistency: .leader)
                #expect(read?.value == value)
                #expect(read?.revision == theirs)
                #expect(read?.operation == .put)
            }

            // Markers of either side mean the same to both, and a key can be made again over either's.
            for (index, marker) in ["delete", "purge"].enumerated() {
                let (ours, theirs) = ("ours.\(marker)", "theirs.\(marker)")
                for key in [ours, theirs] {
                    try await bucket.put(Key(key), "one")
                    _ = try await rig.put("values", key, "two")
                }
                if index == 0 { try await bucket.delete(Key(ours)) } else { try await bucket.purge(Key(ours)) }
                try await rig.python.perform(.init(marker, "values", theirs))
                for key in [ours, theirs] {
                    #expect(try await rig.get("values", key) == nil)
                    #expect(try await bucket.get(Key(key), consistency: .leader) == nil)
                    let history = try await bucket.history(of: Key(key))
                    #expect(history.map(\.operation) == (index == 0 ? [.put, .put, .delete] : [.purge]))
                    #expect(
                        try await rig.history("values", key, atLeast: history.count).map(Shown.init)
                            == history.map(Shown.init)
                    )
                    #expect(
                        try await rig.history("values", key, atLeast: history.count).map(\.delta)
                            == history.map(\.delta)
                    )
                }
                try await rig.python.perform(.init("create", "values", ours).with { $0.value = Data("x".utf8) })
                try await bucket.create(Key(theirs), "x")
                #expect(try await bucket.get(Key(ours), consistency: .leader)?.string == "x")
                #expect(try await rig.get("values", theirs)?.value == Data("x".utf8))
            }

            // Old revisions.
            let first = try await bucket.put("old", "one")
            let second = try #require(try await rig.put("values", "old", "two"))
            #expect(try await rig.get("values", "old", at: first)?.value == Data("one".utf8))
            #expect(try await bucket.get("old", at: second)?.string == "two")
            #expect(try await bucket.get("old", at: first)?.string == "one")
            #expect(try await rig.get("values", "other", at: first) == nil)
            #expect(try await bucket.get("other", at: first) == nil)
            try await bucket.revert("old", to: first)
            #expect(try await rig.get("values", "old")?.value == Data("one".utf8))
        }
    }

    @Test("Compare-and-set and create", arguments: ServerBinary.all)
    func compareAndSet(binary: ServerBinary) async throws {
        try await InteropRig.run(binary) { rig in
            let bucket = try await rig.bucket("cas")
            let create = PythonPeer.Command("create", "cas", "k").with { $0.value = Data("theirs".utf8) }
            let first = try await bucket.create("k", "ours")
            #expect(try await rig.python.answer(to: create).error == "KeyWrongLastSequenceError")
            let update = PythonPeer.Command("update", "cas", "k").with {
                $0.value = Data("theirs".utf8)
                $0.revision = first
            }
            let second = try #require(try await rig.python.perform(update).revision)
            #expect(try await rig.python.answer(to: update).error == "KeyWrongLastSequenceError")
            await #expect { try await bucket.update("k", "late", expecting: first) } throws: {
                ($0 as? KeyValueError)?.code == .wrongRevision
            }
            let third = try await bucket.update("k", "ours again", expecting: second)
            #expect(try await rig.get("cas", "k").map(Shown.init)?.revision == third)
            await #expect { try await bucket.create("k", "late") } throws: {
                ($0 as? KeyValueError)?.code == .keyExists
            }
            await #expect { try await bucket.delete("k", expecting: first) } throws: {
                ($0 as? KeyValueError)?.code == .wrongRevision
            }
            #expect(
                try await rig.python.answer(to: .init("delete", "cas", "k").with { $0.revision = first }).error != nil
            )
            try await rig.python.perform(.init("delete", "cas", "k").with { $0.revision = third })
            #expect(try await bucket.get("k", consistency: .leader) == nil)
        }
    }

    @Test("Lifetimes", arguments: ServerBinary.all.filter { $0.isAtLeast("2.11") })
    func lifetimes(binary: ServerBinary) async throws {
        try await InteropRig.run(binary) { rig in
            let bucket = try await rig.bucket("lifetimes") {
                $0.history = 4
                $0.limitMarkerTTL = 1_000_000_000
            }
            try await bucket.create("ours", "x", timeToLive: .seconds(1))
            let create = PythonPeer.Command("create", "lifetimes", "theirs").with {
                $0.value = Data("x".utf8)
                $0.lifetime = 1
            }
            try await rig.python.perform(create)
            try await bucket.put("ours.purged", "x")
            _ = try await rig.put("lifetimes", "theirs.purged", "x")
            try await bucket.purge("ours.purged", markerTimeToLive: .seconds(1))
            try await rig.python.perform(.init("purge", "lifetimes", "theirs.purged").with { $0.lifetime = 1 })
            for key in ["ours", "theirs"] {
                try await eventually("\(key) to expire") {
                    try await bucket.get(Key(key), consistency: .leader) == nil
                }
                #expect(try await rig.keys("lifetimes", atLeast: 0).contains(key) == false)
            }
            for key in ["ours.purged", "theirs.purged"] {
                try await eventually("the marker of \(key) to go") {
                    try await bucket.latest(Key(key), consistency: .leader) == nil
                }
                #expect(try await rig.get("lifetimes", key) == nil)
            }
        }
    }

    @Test("Removing markers", arguments: ServerBinary.all)
    func purgeDeletes(binary: ServerBinary) async throws {
        try await InteropRig.run(binary) { rig in
            for name in ["ours", "theirs"] {
                let bucket = try await rig.bucket(name)
                try await bucket.put("live", "x")
                for key in ["deleted", "purged"] {
                    try await bucket.put(Key(key), "one")
                    _ = try await rig.put(name, key, "two")
                }
                try await bucket.delete("deleted")
                try await rig.python.perform(.init("purge", name, "purged"))
                let remove: @Sendable (Int) async throws -> Void = { age in
                    if name == "ours" {
                        let done = try await bucket.purgeDeletes(olderThan: .seconds(age))
                        #expect(done.keys == 2)
                    } else {
                        try await rig.python.perform(.init("purge_deletes", name).with { $0.age = age })
                    }
                }
                try await remove(3600)
                #expect(try await rig.history(name, "deleted", atLeast: 1).map(\.operation) == ["DEL"])
                #expect(try await bucket.history(of: "purged").map(\.operation) == [.purge])
                try await remove(-1)
                #expect(try await bucket.history(of: "deleted").isEmpty)
                #expect(try await bucket.history(of: "purged").isEmpty)
                #expect(try await rig.keys(name, atLeast: 1) == ["live"])
            }
        }
    }
}

/// Says loudly where the tests of this target could not be run although they must.
@Test(.enabled(if: PythonPeer.isDemanded)) func natsPyIsThere() {
    #expect(PythonPeer.isThere, InteropRig.skipped)
}
