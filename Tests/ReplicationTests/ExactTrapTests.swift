import Archive
import JetStream
import KVModel
import KeyValue
import Replication
import Synchronization
import TestSupport
import Testing

/// What servers do to a restored stream without saying so: each trap has its test.
@Suite("Traps of exact restores", .serialized)
struct ExactTrapTests {
    @Test("Entries whose TTL is over stay away, and leave no markers")
    func elapsed() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for binary in ServerBinary.all where binary.isAtLeast("2.11") {
                group.addTask { try await Self.elapsed(binary, "file") }
                if binary.isAtLeast("2.12") { group.addTask { try await Self.elapsed(binary, "memory") } }
            }
            try await group.waitForAll()
        }
    }

    private static func elapsed(_ binary: ServerBinary, _ storage: String) async throws {
        // What must still live when it is looked at would be gone on a machine that is busy: then all takes longer.
        for lifetime in [Int64(5), 15] where try await elapsed(binary, storage, lifetime: lifetime) { return }
        #expect(try await elapsed(binary, storage, lifetime: 45), "too slow for any lifetime")
    }

    /// False if something died before it was looked at, so that nothing is proved.
    private static func elapsed(_ binary: ServerBinary, _ storage: String, lifetime: Int64) async throws -> Bool {
        var rig = try await ExactRig(binary)
        defer { rig.close() }
        let second = Int64(1_000_000_000)
        let before = Timestamp.wallClock()
        try await rig.server.withClient { client in
            try client.createBucket("src", history: 5, more: #""allow_msg_ttl":true"#)
            func put(_ key: String, _ ttl: String) -> RawPut {
                RawPut(key: Array(key.utf8), headers: [RawHeader("Nats-TTL", ttl)], value: [1])
            }
            let (short, later) = ("\(lifetime)s", "\(3 * lifetime)s")
            try client.putMany("src", [put("short.1", short), put("short.2", short)])
            try client.put("src", "stays", "1")
            try client.putMany(
                "src",
                [put("long", "1h"), put("never", "never"), put("later", later), put("short.3", short)]
            )
        }
        let put = Timestamp.wallClock()
        try await rig.capture()
        guard Timestamp.wallClock() < before.adding(nanoseconds: lifetime * second) else { return false }
        #expect(rig.messages.count == 7 && rig.last == 7)
        try await eventually("the TTLs to be over") {
            Timestamp.wallClock() > put.adding(nanoseconds: lifetime * second + second / 2)
        }
        let report = try await rig.restore("copy", ["limit-marker-ttl=1h", "storage=\(storage)"])
        let found = try await rig.read("copy")
        let info = try await rig.server.withClient { try $0.streamInfo("KV_copy") }
        guard Timestamp.wallClock() < before.adding(nanoseconds: 3 * lifetime * second) else { return false }
        #expect(report.expired == 3)
        #expect(report.comparison?.isEqual == true)
        #expect(report.comparison?.expired == 3)
        #expect(found.map(\.seq) == [3, 4, 5, 6])
        #expect(found == rig.messages.filter { (3...6).contains($0.seq) }.map { $0.moved(from: "src", to: "copy") })
        #expect(info.lastSequence == 7)
        #expect(info.configuration.contains("subject_delete_marker_ttl"))
        // What has time left dies when it would have, and leaves the marker that the new settings ask for.
        let fixed = rig
        try await eventually("the later one to die", timeout: .seconds(240)) {
            try await fixed.read("copy").contains {
                $0.seq == 8 && $0.headerList.contains(RawHeader("Nats-Marker-Reason", "MaxAge"))
            }
        }
        #expect(Timestamp.wallClock() > before.adding(nanoseconds: 3 * lifetime * second - second / 10))
        #expect(try await rig.read("copy").map(\.seq) == [3, 4, 5, 8])
        return true
    }

    @Test("Entries older than a shorter max_age stay away, the next revision stays", arguments: ServerBinary.all)
    func shorterAge(binary: ServerBinary) async throws {
        var rig = try await ExactRig(binary)
        defer { rig.close() }
        try await rig.prepare(500)
        let captured = Timestamp.wallClock()
        try await eventually("the entries to be old") {
            Timestamp.wallClock() > captured.adding(nanoseconds: 1_100_000_000)
        }
        var settings = ["ttl=1s"]
        if binary.isAtLeast("2.11") { settings.append("limit-marker-ttl=1h") }
        let report = try await rig.restore("copy", settings)
        #expect(report.written == 0)
        #expect(report.expired == report.entries)
        let last = rig.last
        let next = try await rig.server.withClient { try $0.put("copy", "k", "v") }
        #expect(next == last + 1)
    }

    @Test("TTL headers that nobody heeded stay without effect, even where they are over or malformed")
    func unheeded() async throws {
        let old = try ServerBinary.named("2.10.26")
        var rig = try await ExactRig(old)
        try await rig.server.withClient { client in
            try client.createBucket("src", history: 5)
            for (key, ttl) in [("a", "1"), ("b", "1h"), ("c", "soon"), ("d", "-5")] {
                let put = RawPut(key: Array(key.utf8), headers: [RawHeader("Nats-TTL", ttl)], value: [1])
                try client.putMany("src", [put])
            }
        }
        try await rig.capture()
        let captured = Timestamp.wallClock()
        try await eventually("the TTL to be over") {
            Timestamp.wallClock() > captured.adding(nanoseconds: 1_100_000_000)
        }
        let messages = rig.messages
        for binary in ServerBinary.all where binary.isAtLeast("2.10") {
            let server = try await ServerProcess.start(binary)
            defer { server.close() }
            for storage in ["file", "memory"] where storage == "file" || binary.isAtLeast("2.12") {
                // Nothing takes a malformed one into memory.
                let point = ArchivePoint.revision(storage == "file" ? 4 : 2)
                let report = try await rig.restore("copy", url: server.url, ["storage=\(storage)"]) { $0.point = point }
                #expect(report.comparison?.isEqual == true, "\(binary) \(storage)")
                let found = try await server.withClient { client in
                    let found = try client.getAllMessages("KV_copy")
                    try client.deleteStream("KV_copy")
                    return found
                }
                let expected = messages.prefix(storage == "file" ? 4 : 2).map { $0.moved(from: "src", to: "copy") }
                #expect(found == expected, "\(binary) \(storage)")
            }
        }
        rig.close()
    }

    @Test(
        "What a purge of an old server left behind, beyond the history, does not stop the restore",
        arguments: ServerBinary.all.filter { $0.version == "2.9.10" }
    )
    func remains(binary: ServerBinary) async throws {
        var rig = try await ExactRig(binary)
        defer { rig.close() }
        // The first message that a purge of the stream leaves is one of a key with a full history.
        try await rig.prepare(20_000)
        let report = try await rig.restore("copy", [])
        #expect(report.mode == .exact && report.beyondHistory == 1 && report.comparison?.differences == 0)
        let found = try await rig.server.withClient { try $0.getAllMessages("KV_copy") }
        let counts = Dictionary(grouping: found, by: \.subject).mapValues(\.count)
        #expect(counts.values.allSatisfy { $0 <= 5 })
        #expect(Set(rig.messages.map(\.seq)).subtracting(found.map(\.seq)) == [1000])
    }

    @Test(
        "Settings that an older server does not know are left out, the entries are exact",
        arguments: ServerBinary.all
    )
    func otherVersion(binary: ServerBinary) async throws {
        var rig = try await ExactRig(try ServerBinary.newest)
        defer { rig.close() }
        try await rig.server.withClient { client in
            try client.createBucket(
                "src",
                history: 3,
                more: #""compression":"s2","metadata":{"a":"b"},"allow_msg_ttl":true,"allow_atomic":true,"#
                    + #""allow_batched":true,"subject_delete_marker_ttl":3600000000000,"max_age":86400000000000"#
            )
            try client.putMany("src", BucketGenerator(entries: 300, seed: 4).puts())
        }
        try await rig.capture()
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        let report = try await rig.restore("copy", url: server.url)
        #expect(report.comparison?.isEqual == true)
        let found = try await server.withClient { try $0.getAllMessages("KV_copy") }
        let expected = rig.messages.map { $0.moved(from: "src", to: "copy") }
        #expect(found == expected)
        let known = try await server.withClient { try $0.streamInfo("KV_copy").configuration }
        for (field, since) in [("allow_msg_ttl", "2.11"), ("allow_atomic", "2.12"), ("allow_batched", "2.14")] {
            #expect(report.plan.leftOut.contains(field) == !binary.isAtLeast(since), "\(field)")
            #expect(known.contains(field) == binary.isAtLeast(since), "\(field): \(known)")
        }
    }

    @Test("What the server refuses at the end leaves nothing", arguments: ServerBinary.all, ["file", "memory"])
    func refused(binary: ServerBinary, storage: String) async throws {
        guard storage == "file" || binary.isAtLeast("2.12") else { return }
        var rig = try await ExactRig(binary)
        defer { rig.close() }
        try await rig.prepare(300)
        await #expect("\(binary)") {
            try await rig.restore("copy", ["replicas=3", "storage=\(storage)"])
        } throws: {
            "\($0)".contains("replicas > 1")
        }
        #expect(try await rig.streams() == ["KV_src"])
    }

    @Test("Entries beyond max-bytes are refused before anything is made", arguments: ServerBinary.all)
    func tooMuch(binary: ServerBinary) async throws {
        var rig = try await ExactRig(binary)
        defer { rig.close() }
        try await rig.prepare(300)
        await #expect { try await rig.restore("copy", ["max-bytes=20KiB"]) } throws: {
            ($0 as? ReplicationError)?.code == .targetRefuses && "\($0)".contains("max-bytes")
        }
        await #expect { try await rig.restore("copy", ["max-value-size=100"]) } throws: {
            ($0 as? ReplicationError)?.code == .targetRefuses && "\($0)".contains("max-value-size")
        }
        #expect(try await rig.streams() == ["KV_src"])
    }

    @Test("Subjects that another stream takes are found, and a later run puts it right", arguments: ServerBinary.all)
    func overlap(binary: ServerBinary) async throws {
        var rig = try await ExactRig(binary)
        defer { rig.close() }
        try await rig.prepare(300)
        try await rig.server.withClient { try $0.createStream(#"{"name":"other","subjects":["$KV.copy.a.>"]}"#) }
        await #expect { try await rig.restore("copy") } throws: {
            "\($0)".contains("10065") && "\($0)".contains("it is written, but still closed to writers")
        }
        let left = try await rig.server.withClient { try $0.streamInfo("KV_copy").configuration }
        #expect(left.contains("incomplete") && !left.contains("$KV.copy.>"), "\(left)")
        try await rig.server.withClient { try $0.deleteStream("other") }
        let report = try await rig.restore("copy")
        #expect(report.plan.action == .restart)
        try await rig.expectExact("copy")
    }

    @Test("Nobody can write into what is not finished", arguments: ServerBinary.all, ["file", "memory"])
    func fenced(binary: ServerBinary, storage: String) async throws {
        guard storage == "file" || binary.isAtLeast("2.12") else { return }
        var rig = try await ExactRig(binary)
        defer { rig.close() }
        try await rig.prepare(3000)
        let intruder = Intruder(port: rig.server.port)
        let settings = ["storage=\(storage)"]
        let report = try await rig.restore("copy", settings, progress: { _ in intruder.attempt() })
        #expect(report.comparison?.isEqual == true)
        #expect(intruder.refused > 0)
        #expect(intruder.stored == 0)
        try await rig.expectExact("copy")
    }
}

/// Tries to write into a bucket while it is restored.
private final class Intruder: Sendable {
    private let port: Int
    private let counts = Mutex((stored: 0, refused: 0))

    init(port: Int) {
        self.port = port
    }

    var stored: Int { counts.withLock { $0.stored } }
    var refused: Int { counts.withLock { $0.refused } }

    func attempt() {
        guard refused < 40 else { return }
        do {
            let client = try RawNATS(port: port, timeout: 5)
            defer { client.close() }
            try client.put("copy", "intruder", "value")
            counts.withLock { $0.stored += 1 }
        } catch {
            counts.withLock { $0.refused += 1 }
        }
    }
}

extension RawMessage {
    /// The same entry under another bucket's name.
    func moved(from source: String, to target: String) -> RawMessage {
        RawMessage(
            seq: seq,
            subject: Array("$KV.\(target).".utf8) + key(in: source),
            headers: headers,
            data: data,
            time: time
        )
    }
}
