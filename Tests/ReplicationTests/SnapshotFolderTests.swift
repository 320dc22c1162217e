import Archive
import Foundation
import KVModel
import Replication
import StreamSnapshot
import Synchronization
import TestSupport
import Testing

@Suite("Backup folders of the nats command line, in and out", .serialized)
struct SnapshotFolderTests {
    /// Writes a server's snapshot of a stream down as `nats stream backup` does.
    private static func backUp(_ client: RawNATS, _ stream: String, to folder: String) throws {
        let (chunks, configuration, state) = try client.snapshot(stream)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let document = Array(#"{"config":"#.utf8) + configuration + Array(#","state":"#.utf8) + state + [0x7D]
        try Data(document).write(to: URL(fileURLWithPath: folder + "/backup.json"))
        try Data(chunks.flatMap(\.self)).write(to: URL(fileURLWithPath: folder + "/stream.tar.s2"))
    }

    /// Restores a folder as `nats stream restore` does: its `backup.json` is the request.
    private static func restore(_ client: RawNATS, _ stream: String, from folder: String) throws {
        let body = try Array(Data(contentsOf: URL(fileURLWithPath: folder + "/backup.json")))
        let snapshot = try Array(Data(contentsOf: URL(fileURLWithPath: folder + "/stream.tar.s2")))
        let chunks = stride(from: 0, to: snapshot.count, by: 65_536).map {
            Array(snapshot[$0..<min($0 + 65_536, snapshot.count)])
        }
        try client.restore(stream, body: body, chunks: chunks)
    }

    private func entries(_ state: BucketState) throws -> [Entry] {
        var entries: [Entry] = []
        var cursor = state.makeCursor()
        while let run = try cursor.next() { try run.forEachEntry { entries.append(Entry($0)) } }
        return entries
    }

    private func entries(_ messages: [RawMessage], of bucket: String) -> [Entry] {
        messages.map { message in
            Entry(
                revision: message.seq,
                time: Timestamp(rfc3339: message.time) ?? Timestamp(nanoseconds: 0),
                operation: message.headers.withUnsafeBytes { KVModel.Operation(headers: $0) },
                key: Key(bytes: message.key(in: bucket)),
                headers: message.headers,
                value: message.data
            )
        }
    }

    @Test("A server's backup comes into an archive, out again, and back into a server", arguments: ServerBinary.all)
    func there(binary: ServerBinary) async throws {
        let server = try await ServerProcess.start(binary)
        defer { server.close() }
        let folder = try TemporaryDirectory("snapshot")
        let (source, target, archive) = (folder.file("source"), folder.file("target"), folder.file("a.cistern"))
        let messages = try await server.withClient { client in
            try client.createBucket("b", history: 5)
            var generator = BucketGenerator(entries: 2000, seed: 31)
            generator.largeValues = 3
            try generator.write(to: "b", with: client)
            try Self.backUp(client, "KV_b", to: source)
            return try client.getAllMessages("KV_b")
        }
        let info = try await server.withClient { try $0.streamInfo("KV_b") }
        let writer = try ArchiveWriter.open(path: archive, createIfMissing: true)
        let report = try SnapshotImport(folder: source, into: writer).run()
        #expect(report.entries == UInt64(messages.count))
        #expect(report.revision == info.lastSequence)
        #expect(report.incarnation.cluster == "imported")
        let again = try SnapshotImport(folder: source, into: writer).run()
        #expect(again.written == 0)
        #expect(again.resumed == report.entries)
        try writer.close()
        let reader = try ArchiveReader.open(path: archive)
        #expect(try reader.verify().problems.isEmpty)
        #expect(try reader.resolve(.newest, in: report.incarnation.id) == info.lastSequence)
        let state = try reader.state(of: report.incarnation.id, at: info.lastSequence)
        #expect(try entries(state) == entries(messages, of: "b"))
        let incarnation = report.incarnation
        let written = try SnapshotExport(from: reader, incarnation, at: info.lastSequence, to: target).run()
        #expect(written.entries == report.entries)
        #expect(written.oldestServer == "2.9")
        try await server.withClient { client in
            try client.deleteStream("KV_b")
            try Self.restore(client, "KV_b", from: target)
        }
        try await server.restart()
        let restored = try await server.withClient { try $0.getAllMessages("KV_b") }
        #expect(restored == messages)
        let after = try await server.withClient { try $0.streamInfo("KV_b") }
        #expect(after.lastSequence == info.lastSequence)
        if !binary.isAtLeast("2.15") { #expect(after.created == info.created) }
        #expect(throws: ReplicationError.self) {
            try SnapshotExport(from: reader, incarnation, at: info.lastSequence, to: target).run()
        }
    }

    /// A folder with a snapshot of ours.
    private func folder(
        _ path: String,
        entries: Int,
        stream: String = "KV_b",
        subject: String = "$KV.b.key",
        messages: Int? = nil,
        form: SnapshotWriter.Form = .messageBlocks(.filled)
    ) throws {
        let configuration: JSONValue = ["name": .string(stream), "storage": "file", "max_msgs_per_subject": 64]
        let last = UInt64(entries) * 2
        let description = SnapshotDescription(
            configuration: configuration,
            created: "2026-01-02T03:04:05Z",
            lastSequence: last,
            messages: UInt64(entries)
        )
        var writer = try SnapshotWriter(description, form: form)
        var bytes: [UInt8] = []
        for index in 0..<entries {
            let text = Array("\(subject).\(index)".utf8)
            let value = [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: 100)
            try text.withUnsafeBytes { text in
                try value.withUnsafeBytes { value in
                    try writer.append(
                        SnapshotEntry(
                            sequence: UInt64(index) * 2 + 1,
                            time: Timestamp(nanoseconds: 1_790_000_000_000_000_000 + Int64(index)),
                            subject: text,
                            headers: UnsafeRawBufferPointer(start: nil, count: 0),
                            value: value
                        )
                    )
                }
            }
        }
        try writer.finish()
        while let chunk = writer.nextChunk(1 << 20) { bytes += chunk }
        let state = SnapshotState(messages: UInt64(messages ?? entries), firstSequence: 1, lastSequence: last)
        let metadata = BackupMetadata(configuration: configuration, state: state)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try Data(try metadata.encoded()).write(to: URL(fileURLWithPath: path + "/backup.json"))
        try Data(bytes).write(to: URL(fileURLWithPath: path + "/stream.tar.s2"))
    }

    @Test("An import that is stopped anywhere goes on where it was", arguments: 0..<6)
    func resumes(stopAfter: Int) async throws {
        let directory = try TemporaryDirectory("resume")
        let source = directory.file("source")
        try folder(source, entries: 20_000)
        let writer = try ArchiveWriter.open(path: directory.file("a.cistern"), createIfMissing: true)
        var options = SnapshotImport.Options()
        options.segmentBytes = 100_000
        let fixed = options
        // Cancelled at a certain piece of the reading, as a stop signal would do it.
        let task = Task.detached {
            let counter = PieceCounter(stopAfter: stopAfter)
            return try SnapshotImport(folder: source, into: writer, options: fixed) { _ in counter.count() }.run()
        }
        await #expect(throws: CancellationError.self) { _ = try await task.value }
        let report = try SnapshotImport(folder: source, into: writer, options: options).run()
        #expect(report.entries == 20_000)
        #expect(report.written + report.resumed == 20_000)
        #expect(stopAfter < 4 || report.resumed > 0)
        let reader = try ArchiveReader.open(path: directory.file("a.cistern"))
        #expect(try reader.verify().problems.isEmpty)
        let state = try reader.state(of: report.incarnation.id, at: 40_000)
        #expect(state.entries == 20_000)
        #expect(try reader.runs().map(\.outcome).last == .succeeded)
    }

    /// Cancels the task that it is counted in.
    private final class PieceCounter: Sendable {
        private let stopAfter: Int
        private let counted = Mutex(0)

        init(stopAfter: Int) {
            self.stopAfter = stopAfter
        }

        func count() {
            let count = counted.withLock { count in
                count += 1
                return count
            }
            if count > stopAfter { withUnsafeCurrentTask { $0?.cancel() } }
        }
    }

    @Test("What is not one bucket's whole backup is refused, and the archive stays empty")
    func refusals() throws {
        let directory = try TemporaryDirectory("refuse")
        let writer = try ArchiveWriter.open(path: directory.file("a.cistern"), createIfMissing: true)
        func refusal(_ path: String) -> String {
            do {
                _ = try SnapshotImport(folder: path, into: writer).run()
                return "taken"
            } catch {
                return String(describing: error)
            }
        }
        try folder(directory.file("stream"), entries: 3, stream: "orders")
        #expect(refusal(directory.file("stream")).contains("not a bucket"))
        try folder(directory.file("foreign"), entries: 3, subject: "$KV.other.key")
        #expect(refusal(directory.file("foreign")).contains("$KV.other.key.0, which does not lie in b"))
        try folder(directory.file("lossy"), entries: 3, messages: 5, form: .entries)
        #expect(refusal(directory.file("lossy")).contains("lacks 2 of 5 entries"))
        #expect(refusal(directory.file("none")).contains("cannot be opened"))
        try folder(directory.file("cut"), entries: 3000)
        let path = directory.file("cut/stream.tar.s2")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: path))
        #expect(refusal(directory.file("cut")).contains("the file is cut off"))
        #expect(try ArchiveReader.open(path: directory.file("a.cistern")).incarnations().isEmpty)
        // The same life of the bucket with other entries in it is not mixed in.
        try folder(directory.file("one"), entries: 30)
        try folder(directory.file("two"), entries: 40)
        #expect(refusal(directory.file("one")) == "taken")
        #expect(refusal(directory.file("two")).contains("from another source"))
    }
}
