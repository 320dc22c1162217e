import Foundation
import TestSupport
import Testing

@Suite("Captures of buckets that are written to", .serialized)
struct UnderWritesTests {
    @Test("No live key is lost while random keys are overwritten, and the state is the bucket's at that revision")
    func overwrites() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let keys = 200_000
        // The server itself republishes every write with its revision into a log: what the bucket held at any revision
        // can be told from it afterwards, whatever the bucket has dropped since.
        try await rig.server.withClient {
            try $0.createStream(#"{"name":"LOG","subjects":["log.>"],"storage":"memory"}"#)
            try $0.createBucket("src", history: 1, more: #""republish":{"src":"$KV.src.>","dest":"log.>"}"#)
        }
        try await rig.fill("src", count: keys, keys: keys, size: 1024)
        let writer = BackgroundWriter(
            port: rig.server.port,
            bucket: "src",
            keys: keys,
            size: 1024,
            perSecond: 1000,
            seed: 8
        )
        try await eventually("the writer at work") { writer.written > 0 }
        let report = try await rig.backup("src")
        let during = writer.written
        let revision = try report.number("consistent_revision")
        try await writer.stop()
        #expect(during > 0)
        try await rig.restore(as: "copy")
        let restored = try await rig.messages("copy")
        let names = Set(restored.map { $0.key(in: "copy") })
        #expect(names.count == keys, "\(keys - names.count) live keys are missing")
        #expect(restored.count == keys)
        let expected = try await rig.loggedState(at: revision)
        let held = Dictionary(restored.map { ($0.key(in: "copy"), $0.data) }) { _, last in last }
        #expect(expected.count == keys)
        let wrong = expected.filter { held[$0.key] != $0.value }
        #expect(wrong.isEmpty, "\(wrong.count) keys differ from what the bucket held at revision \(revision)")
        try await rig.cistern(["verify", rig.archive, "--against", "src"])
    }
}

extension Rig {
    /// The value that each key had at a revision, from the log of republished writes.
    func loggedState(at revision: UInt64) async throws -> [[UInt8]: [UInt8]] {
        let log = try await server.withClient { try $0.getAllMessages("LOG", window: 256) }
        var state: [[UInt8]: [UInt8]] = [:]
        for message in log {
            let sequence = message.headerList.first { $0.name == "Nats-Sequence" }.flatMap { UInt64($0.value) }
            guard try #require(sequence) <= revision else { continue }
            let subject = try #require(message.headerList.first { $0.name == "Nats-Subject" }?.value)
            state[Array(subject.utf8.dropFirst("$KV.src.".utf8.count))] = message.data
        }
        return state
    }
}
