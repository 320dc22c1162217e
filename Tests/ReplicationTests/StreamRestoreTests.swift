import JetStream
import KVModel
import KeyValue
import NATSClient
import StreamSnapshot
import TestSupport
import Testing

/// The upload itself, on real servers: how each version says what is wrong, and what it leaves.
@Suite("Uploading a snapshot", .serialized)
struct StreamRestoreTests {
    private static let configuration: JSONValue = [
        "name": "KV_b", "subjects": ["$KV.b.>"], "storage": "file", "max_msgs_per_subject": 1,
    ]

    /// The chunks of a small snapshot of `KV_b`.
    private static func chunks(
        _ count: Int = 500,
        _ form: SnapshotWriter.Form = .messageBlocks(.filled),
        chunkBytes: Int = 4096
    ) throws -> [[UInt8]] {
        let description = SnapshotDescription(
            configuration: configuration,
            created: "2026-01-02T03:04:05Z",
            lastSequence: UInt64(count),
            messages: UInt64(count)
        )
        var writer = try SnapshotWriter(description, form: form)
        var chunks: [[UInt8]] = []
        let value = [UInt8](repeating: 7, count: 200)
        for index in 1...count {
            let subject = Array("$KV.b.key.\(index)".utf8)
            try subject.withUnsafeBytes { subject in
                try value.withUnsafeBytes { value in
                    try writer.append(
                        SnapshotEntry(
                            sequence: UInt64(index),
                            time: Timestamp(nanoseconds: 1_790_000_000_000_000_000 + Int64(index)),
                            subject: subject,
                            headers: UnsafeRawBufferPointer(start: nil, count: 0),
                            value: value
                        )
                    )
                }
            }
            while let chunk = writer.nextChunk(chunkBytes) { chunks.append(chunk) }
        }
        try writer.finish()
        while let chunk = writer.nextChunk(chunkBytes) { chunks.append(chunk) }
        return chunks
    }

    /// Uploads a snapshot, anew if this machine was too busy for the server's patience.
    private static func send(_ chunks: [[UInt8]], _ context: JetStreamContext) async throws -> StreamInfo {
        for _ in 1...2 {
            do {
                return try await sendOnce(chunks, context)
            } catch let error as JetStreamError where error.code == .interrupted {
                continue
            }
        }
        return try await sendOnce(chunks, context)
    }

    private static func sendOnce(_ chunks: [[UInt8]], _ context: JetStreamContext) async throws -> StreamInfo {
        let restore = try await context.restoreStream(configuration)
        do {
            for chunk in chunks { try await restore.send(chunk) }
            return try await restore.finish(timeout: .seconds(30))
        } catch {
            await restore.abandon()
            throw error
        }
    }

    @Test("A snapshot arrives, and a stream that exists is not touched", arguments: ServerBinary.all)
    func arrives(binary: ServerBinary) async throws {
        let rig = try await ExactRig(binary)
        defer { rig.close() }
        try await rig.withBuckets { buckets in
            let context = buckets.context
            let info = try await Self.send(try Self.chunks(), context)
            #expect(
                info.state
                    == StreamInfo.State(messages: 500, bytes: info.state.bytes, firstSequence: 1, lastSequence: 500)
            )
            #expect(Timestamp(rfc3339: info.created) == Timestamp(rfc3339: "2026-01-02T03:04:05Z"))
            await #expect { _ = try await context.restoreStream(Self.configuration) } throws: {
                ($0 as? JetStreamError)?.code == .streamExists
            }
            #expect(try await context.streamInfo("KV_b").state == info.state)
        }
    }

    @Test("Bytes that are no snapshot are refused, and nothing is left", arguments: ServerBinary.all)
    func garbage(binary: ServerBinary) async throws {
        let rig = try await ExactRig(binary)
        defer { rig.close() }
        try await rig.withBuckets { buckets in
            let context = buckets.context
            let whole = try Self.chunks()
            var damaged = whole
            damaged[10][100] ^= 1
            for chunks in [
                damaged, Array(whole.dropLast()), Array(repeating: [UInt8](repeating: 65, count: 4096), count: 40),
            ] {
                await #expect("\(binary)") { _ = try await Self.send(chunks, context) } throws: { error in
                    guard let code = (error as? JetStreamError)?.code else { return false }
                    return code != .interrupted && code != .malformedReply
                }
                await #expect(throws: JetStreamError.self) { _ = try await context.streamInfo("KV_b") }
            }
            _ = try await Self.send(whole, context)
        }
    }

    @Test("A restore that is given up leaves nothing, and the next may begin at once", arguments: ServerBinary.all)
    func abandoned(binary: ServerBinary) async throws {
        let rig = try await ExactRig(binary)
        defer { rig.close() }
        try await rig.withBuckets { buckets in
            let context = buckets.context
            let chunks = try Self.chunks()
            let restore = try await context.restoreStream(Self.configuration)
            for chunk in chunks.dropLast(3) { try await restore.send(chunk) }
            await restore.abandon()
            await #expect(throws: JetStreamError.self) { _ = try await context.streamInfo("KV_b") }
            let info = try await Self.send(chunks, context)
            #expect(info.state.messages == 500)
        }
    }

    @Test("After 5 seconds without a chunk the server has given up, and it is said so")
    func inactivity() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for binary in ServerBinary.all {
                group.addTask {
                    let rig = try await ExactRig(binary)
                    defer { rig.close() }
                    try await rig.withBuckets { buckets in
                        let chunks = try Self.chunks()
                        let restore = try await buckets.context.restoreStream(Self.configuration)
                        for chunk in chunks.prefix(5) { try await restore.send(chunk) }
                        // Nothing shows that the server has given up: whoever asks it keeps it waiting.
                        try await Task.sleep(for: .seconds(7))
                        await #expect("\(binary)") {
                            for chunk in chunks.dropFirst(5) { try await restore.send(chunk) }
                            _ = try await restore.finish(timeout: .seconds(20))
                        } throws: {
                            ($0 as? JetStreamError)?.code == .interrupted
                        }
                        await #expect(throws: JetStreamError.self) {
                            _ = try await buckets.context.streamInfo("KV_b")
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("A chunk that is too large does not cost the connection")
    func tooLarge() async throws {
        let rig = try await ExactRig(try ServerBinary.newest)
        defer { rig.close() }
        try await rig.withBuckets { buckets in
            let restore = try await buckets.context.restoreStream(Self.configuration)
            let tooLarge = [UInt8](repeating: 0, count: buckets.context.maximumPayload + 1)
            await #expect(throws: NATSError.self) { try await restore.send(tooLarge) }
            let epoch = buckets.context.connection.epoch
            await restore.abandon()
            _ = try await Self.send(try Self.chunks(), buckets.context)
            #expect(buckets.context.connection.epoch == epoch)
        }
    }
}
