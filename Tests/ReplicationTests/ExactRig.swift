import Archive
import JetStream
import KVModel
import KeyValue
import Logging
import NATSClient
import NATSProtocol
import Replication
import TestSupport
import Testing

/// A server with a bucket that has everything a bucket can have, and an archive of it.
struct ExactRig {
    let server: ServerProcess
    let folder: TemporaryDirectory
    /// What the bucket `src` held when it was captured, and its last revision.
    private(set) var messages: [RawMessage] = []
    private(set) var last: UInt64 = 0
    /// The configuration of `src`, the server's JSON.
    private(set) var source = ""

    /// How many entries a test takes that takes so many in its short form.
    static func entries(_ short: Int) -> Int { isLongRun ? 100_000 : short }

    var archive: String { folder.file("a.cistern") }
    var binary: ServerBinary { server.binary }

    init(_ binary: ServerBinary, options: ServerProcess.Options = .init()) async throws {
        try await self.init(on: try await ServerProcess.start(binary, options: options))
    }

    init(on server: ServerProcess) async throws {
        self.server = server
        folder = try TemporaryDirectory("exact")
    }

    func close() {
        server.close()
        folder.remove()
    }

    /// Fills `src` and captures it: gaps in front, in the middle and at the end, deletes, purges, headers, TTLs.
    mutating func prepare(_ entries: Int, seed: UInt64 = 41, largeValues: Int = 2) async throws {
        let hasTTL = binary.isAtLeast("2.11")
        try await server.withClient { client in
            try client.createBucket(
                "src",
                history: 5,
                more: #""deny_delete":false"# + (hasTTL ? #","allow_msg_ttl":true"# : "")
            )
            var generator = BucketGenerator(entries: entries, seed: seed)
            generator.largeValues = largeValues
            let puts = generator.puts()
            try client.putMany("src", puts[..<(entries / 2)])
            try client.api("STREAM.PURGE.KV_src", "{\"seq\":\(entries / 20)}")
            try client.putMany("src", (0..<1500).map { RawPut("passing.\($0)", "gone") })
            try client.api("STREAM.PURGE.KV_src", #"{"filter":"$KV.src.passing.>"}"#)
            try client.putMany("src", puts[(entries / 2)...])
            if hasTTL {
                let header = [RawHeader("Nats-TTL", "1h"), RawHeader("X-Mine", "yes")]
                try client.putMany("src", [RawPut(key: Array("mortal".utf8), headers: header, value: [1, 2, 3])])
            }
            try client.putMany("src", (0..<4).map { RawPut("end.\($0)", "end") })
            let last = try client.streamInfo("KV_src").lastSequence
            for sequence in [last, last - 1, last - 3] { try client.deleteMessage("KV_src", seq: sequence) }
        }
        try await capture()
    }

    /// Captures `src` as it is.
    mutating func capture() async throws {
        let archive = archive
        try await withBuckets { buckets in
            let writer = try ArchiveWriter.open(path: archive, createIfMissing: true)
            defer { writer.closeQuietly() }
            let report = try await Capture(try await buckets.bucket(try BucketName("src")), into: writer).run()
            #expect(report.outcome == .complete)
        }
        messages = try await withoutPurged(try await read("src"))
        let info = try await server.withClient { try $0.streamInfo("KV_src") }
        last = info.lastSequence
        source = info.configuration
    }

    /// What is left of messages when those are gone that a purge of their key removed.
    ///
    /// Asked for by its sequence, 2.9 still gives the first of a large stream out then. It is there if it counts for its
    /// key: then consumers get it too.
    private func withoutPurged(_ messages: [RawMessage]) async throws -> [RawMessage] {
        var purges: [[UInt8]: UInt64] = [:]
        for message in messages where message.headerList.contains(RawHeader("Nats-Rollup", "sub")) {
            purges[message.subject] = message.seq
        }
        let purged = messages.filter { $0.seq < purges[$0.subject, default: 0] }
        guard !purged.isEmpty else { return messages }
        let gone = try await server.withClient { client in
            try Set(purged.map(\.subject)).filter { subject in
                let name = String(decoding: subject, as: UTF8.self)
                let info = try client.api("STREAM.INFO.KV_src", #"{"subjects_filter":"\#(name)"}"#)
                let counts = (info["state"] as? [String: Any])?["subjects"] as? [String: Int] ?? [:]
                return counts[name] != messages.count { $0.subject == subject }
            }
        }
        return messages.filter { $0.seq >= purges[$0.subject, default: 0] || !gone.contains($0.subject) }
    }

    func withBuckets<Result: Sendable>(_ body: @Sendable (Buckets) async throws -> Result) async throws -> Result {
        try await withBuckets(url: server.url, body)
    }

    func withBuckets<Result: Sendable>(
        url: String,
        _ body: @Sendable (Buckets) async throws -> Result
    ) async throws -> Result {
        let configuration = ConnectionConfiguration(servers: try ServerAddress.list(url))
        return try await Connection.withConnection(configuration, logger: Logger(label: "test")) { connection in
            try await body(Buckets(JetStreamContext(connection)))
        }
    }

    /// Restores under another name.
    @discardableResult
    func restore(
        _ name: String,
        url: String? = nil,
        mode: RestoreOptions.Mode = .exact,
        _ settings: [String] = [],
        change: (inout RestoreOptions) -> Void = { _ in },
        progress: @escaping @Sendable (RestoreProgress) -> Void = { _ in }
    ) async throws -> RestoreReport {
        var options = RestoreOptions()
        options.newName = try BucketName(name)
        options.mode = mode
        options.settings = settings
        change(&options)
        let fixed = options
        let archive = archive
        return try await withBuckets(url: url ?? server.url) { buckets in
            let restore = Restore(
                from: try ArchiveReader.open(path: archive),
                to: buckets,
                options: fixed,
                progress: progress
            )
            let report = try await restore.run(try await restore.prepare())
            let found = try await buckets.bucket(report.plan.bucket).configuration
            let changes = SettingChange.between(report.plan.configuration, found)
            #expect(changes.isEmpty, "\(changes)")
            return report
        }
    }

    func read(_ bucket: String) async throws -> [RawMessage] {
        try await server.withClient { try $0.getAllMessages("KV_" + bucket) }
    }

    func streams() async throws -> [String] {
        try await server.withClient { client in
            (try client.api("STREAM.NAMES")["streams"] as? [String] ?? []).sorted()
        }
    }

    /// Expects a bucket to hold the source's entries exactly, and nothing of the restoring to be left.
    func expectExact(
        _ bucket: String,
        history: Int = 5,
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let expected = BucketComparison.newest(history, of: messages)
        let found = try await read(bucket)
        let differences = BucketComparison.differences(expected, in: "src", found, in: bucket, mode: .exact)
        #expect(differences.isEmpty, "\(differences.joined(separator: "\n"))", sourceLocation: location)
        let info = try await server.withClient { try $0.streamInfo("KV_" + bucket) }
        #expect(info.lastSequence == last, sourceLocation: location)
        #expect(info.messages == UInt64(expected.count), sourceLocation: location)
        #expect(info.firstSequence == expected.first?.seq ?? last + 1, sourceLocation: location)
        #expect(!info.configuration.contains("cistern"), "\(info.configuration)", sourceLocation: location)
        #expect(info.configuration.contains("$KV.\(bucket).>"), "\(info.configuration)", sourceLocation: location)
        // Before 2.10 a consumer hangs where sequences are unaccounted for.
        let consumed = try await server.withClient { try $0.consume("KV_" + bucket, count: expected.count) }
        #expect(consumed.count == expected.count, sourceLocation: location)
    }

    /// Expects that clients go on: compare-and-set with an old revision, and the next revision.
    func expectGoesOn(_ bucket: String, _ location: SourceLocation = #_sourceLocation) async throws {
        let newest = Dictionary(messages.map { ($0.subject, $0) }) { _, last in last }
        let some = try #require(newest.values.max { $0.seq < $1.seq })
        let key = some.key(in: "src")
        let last = last
        try await server.withClient { client in
            let expectation = RawHeader("Nats-Expected-Last-Subject-Sequence", "\(some.seq)")
            let put = RawPut(key: key, headers: [expectation], value: Array("swapped".utf8))
            let next = try client.putMany(bucket, [put])
            #expect(next == last + 1, sourceLocation: location)
            #expect(throws: RawNATSError.self, sourceLocation: location) { _ = try client.putMany(bucket, [put]) }
        }
    }
}

extension ArchiveWriter {
    /// Closes; a failure shows in the next opening.
    func closeQuietly() {
        do { try close() } catch { Issue.record("closing failed: \(error)") }
    }
}
