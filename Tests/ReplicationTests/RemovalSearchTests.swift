import Archive
import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient
import NATSProtocol
import TestSupport
import Testing

@testable import Replication

/// How a capture notices what vanished, against real servers.
@Suite("Entries that vanish without a word")
struct RemovalSearchTests {
    private static let storages = ["file", "memory"]

    private static func withSource(
        _ binary: ServerBinary,
        storage: String,
        history: Int,
        _ body: @Sendable (ServerProcess, Bucket, ArchiveWriter) async throws -> Void
    ) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        let folder = try TemporaryDirectory("removals")
        try await server.withClient {
            try $0.createBucket("src", history: history, storage: storage, more: #""deny_delete":false"#)
        }
        let configuration = ConnectionConfiguration(servers: try ServerAddress.list(server.url))
        // It is closed after the body has let go of all states: a state keeps the log from being finished, and closing
        // would wait for that, on a thread that others wait for.
        let writer = try ArchiveWriter.open(path: folder.file("a.cistern"), createIfMissing: true)
        try await Connection.withConnection(configuration, logger: Logger(label: "test")) { connection in
            let buckets = Buckets(JetStreamContext(connection))
            try await body(server, try await buckets.bucket(try BucketName("src")), writer)
        }
        try writer.close()
    }

    @Test(
        "The server's count and size of an undisturbed bucket are the archive's",
        arguments: ServerBinary.all,
        storages
    )
    func agreement(binary: ServerBinary, storage: String) async throws {
        try await Self.withSource(binary, storage: storage, history: 7) { server, source, writer in
            var generator = BucketGenerator(entries: 1500, seed: 5)
            generator.hasOddKeys = true
            let fixed = generator
            try await server.withClient { _ = try fixed.write(to: "src", with: $0) }
            let report = try await Capture(source, into: writer).run()
            let state = try #require(report.state)
            let search = RemovalSearch(source, reader: try writer.reader(), incarnation: state.incarnation)
            let now = try await source.refreshed().info.state
            #expect(state.headedEntries > 0)
            #expect(search.agrees(state, .init(messages: now.messages, bytes: now.bytes)))
            #expect(!search.agrees(state, .init(messages: now.messages, bytes: now.bytes + 1)))
            #expect(!search.agrees(state, .init(messages: now.messages + 1, bytes: now.bytes)))
            #expect(search.agrees(state, .init(messages: now.messages, bytes: nil)))
        }
    }

    @Test("What vanished is found even if as many entries came", arguments: ServerBinary.all, storages)
    func exchange(binary: ServerBinary, storage: String) async throws {
        try await Self.withSource(binary, storage: storage, history: 2) { server, source, writer in
            try await server.withClient { client in
                for value in ["first", "second one"] { _ = try client.put("src", "k", value) }
            }
            _ = try await Capture(source, into: writer).run()
            try await server.withClient { client in
                try client.deleteMessage("KV_src", seq: 2)
                _ = try client.put("src", "k", "the third of them")
            }
            let report = try await Capture(try await source.refreshed(), into: writer).run()
            #expect(report.removals == 1)
            #expect(!report.isUnexplained)
            let state = try #require(report.state)
            #expect(try Self.revisions(of: state) == [1, 3])
            // The point before is still what was held there.
            let before = try writer.reader().state(of: state.incarnation.id, at: 2)
            #expect(before.entries == 2)
        }
    }
    private static func revisions(of state: BucketState) throws -> [Revision] {
        var cursor = state.makeRevisionCursor()
        var held: [Revision] = []
        while let revision = try cursor.next() { held.append(revision) }
        return held
    }

    @Test("What is there between two that vanished stays", arguments: ServerBinary.all, storages)
    func between(binary: ServerBinary, storage: String) async throws {
        try await Self.withSource(binary, storage: storage, history: 2) { server, source, writer in
            try await server.withClient { client in
                for key in ["b", "a", "a"] { _ = try client.put("src", key, "value") }
            }
            _ = try await Capture(source, into: writer).run()
            // Of three entries of `a`, the first would have gone, had the second not vanished.
            try await server.withClient { client in
                for sequence in [UInt64(1), 3] { try client.deleteMessage("KV_src", seq: sequence) }
                _ = try client.put("src", "a", "another value")
            }
            let report = try await Capture(try await source.refreshed(), into: writer).run()
            #expect(!report.isUnexplained)
            let held = try Self.revisions(of: try #require(report.state))
            #expect(held == [2, 4], "\(report)")
        }
    }

    @Test(
        "Totals reckoned from what changed are the bucket's, and what vanished is found all the same",
        arguments: storages
    )
    func reckoned(storage: String) async throws {
        let binary = try ServerBinary.newest
        try await Self.withSource(binary, storage: storage, history: 3) { server, source, writer in
            var options = Capture.Options()
            options.mostListedGaps = 0
            let fixed = options
            @Sendable func put(_ range: Range<Int>, _ value: String) async throws {
                try await server.withClient { client in
                    for index in range { _ = try client.put("src", "key.\(index % 40)", "\(value) \(index)") }
                }
            }
            @Sendable func capture() async throws -> CaptureReport {
                try await Capture(try await source.refreshed(), into: writer, options: fixed).run()
            }
            @Sendable func expectWhole(_ report: CaptureReport) async throws {
                let held = try await server.withClient { try $0.getAllMessages("KV_src") }
                let reader = try writer.reader()
                let incarnation = try #require(try reader.incarnations().first)
                let state = try reader.state(of: incarnation.id, at: try #require(report.consistentRevision))
                #expect(try Self.revisions(of: state) == held.map(\.seq))
                #expect(report.totals == state.totals)
            }
            // One that stays first, so that what is driven out leaves gaps behind it.
            try await server.withClient { _ = try $0.put("src", "pinned", "value") }
            try await put(0..<200, "first")
            let first = try await capture()
            #expect(first.state != nil)
            try await expectWhole(first)
            try await put(0..<50, "second")
            try await server.withClient { client in
                _ = try client.putMany("src", [.delete(Array("key.3".utf8)), .purge(Array("key.4".utf8))])
            }
            let second = try await capture()
            #expect(second.state == nil)
            try await expectWhole(second)
            // One of a key that has not changed, and one of another that has.
            try await server.withClient { client in
                let held = try client.getAllMessages("KV_src")
                let gone = held.filter {
                    ["key.30", "key.2"].contains(String(decoding: $0.key(in: "src"), as: UTF8.self))
                }
                for message in [gone.first, gone.last] {
                    try client.deleteMessage("KV_src", seq: try #require(message).seq)
                }
                _ = try client.put("src", "key.2", "third")
            }
            let third = try await capture()
            #expect(third.removals == 2 && !third.isUnexplained && third.state != nil)
            try await expectWhole(third)
        }
    }
}
