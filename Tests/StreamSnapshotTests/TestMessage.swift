import KVModel
import StreamSnapshot
import TestSupport

/// A message that a test makes or reads.
struct TestMessage: Equatable, CustomStringConvertible {
    var sequence: UInt64
    var time: Int64
    var subject: [UInt8]
    var headers: [UInt8] = []
    var value: [UInt8] = []

    init(sequence: UInt64, time: Int64, subject: [UInt8], headers: [UInt8] = [], value: [UInt8] = []) {
        self.sequence = sequence
        self.time = time
        self.subject = subject
        self.headers = headers
        self.value = value
    }

    init(_ entry: SnapshotEntry) {
        sequence = entry.sequence
        time = entry.time.nanoseconds
        subject = Array(entry.subject)
        headers = Array(entry.headers)
        value = Array(entry.value)
    }

    init(_ message: RawMessage) {
        sequence = message.seq
        time = Timestamp(rfc3339: message.time)?.nanoseconds ?? 0
        subject = message.subject
        headers = message.headers
        value = message.data
    }

    var description: String {
        "\(sequence) at \(time): \(String(decoding: subject, as: UTF8.self)), \(headers.count) and \(value.count) bytes"
    }

    func withEntry(_ body: (SnapshotEntry) throws -> Void) rethrows {
        try subject.withUnsafeBytes { subject in
            try headers.withUnsafeBytes { headers in
                try value.withUnsafeBytes { value in
                    try body(
                        SnapshotEntry(
                            sequence: sequence,
                            time: Timestamp(nanoseconds: time),
                            subject: subject,
                            headers: headers,
                            value: value
                        )
                    )
                }
            }
        }
    }
}

/// Writing and reading of whole snapshots in memory.
enum TestSnapshot {
    static func write(
        _ messages: [TestMessage],
        lastSequence: UInt64,
        form: SnapshotWriter.Form,
        configuration: JSONValue = ["name": "KV_b", "storage": "file", "subjects": ["$KV.b.>"]],
        chunk: Int = 128 << 10
    ) throws -> [[UInt8]] {
        let description = SnapshotDescription(
            configuration: configuration,
            created: "2026-11-01T10:20:30.123456789Z",
            lastSequence: lastSequence,
            messages: UInt64(messages.count)
        )
        var writer = try SnapshotWriter(description, form: form)
        var chunks: [[UInt8]] = []
        for message in messages {
            try message.withEntry { try writer.append($0) }
            while let bytes = writer.nextChunk(chunk) { chunks.append(bytes) }
        }
        try writer.finish()
        while let bytes = writer.nextChunk(chunk) { chunks.append(bytes) }
        return chunks
    }

    static func read(
        _ chunks: some Sequence<[UInt8]>,
        excluding: DeletedSequences = DeletedSequences()
    ) throws -> (messages: [TestMessage], contents: SnapshotContents) {
        var reader = SnapshotReader(excluding: excluding)
        var messages: [TestMessage] = []
        for chunk in chunks { try reader.read(chunk) { messages.append(TestMessage($0)) } }
        return (messages, try reader.finish())
    }

    /// The messages that the server held when it made a snapshot: read twice, the second time without the deleted.
    static func held(_ chunks: [[UInt8]]) throws -> (messages: [TestMessage], contents: SnapshotContents) {
        let (messages, contents) = try read(chunks)
        guard !contents.deleted.isEmpty else { return (messages, contents) }
        let again = try read(chunks, excluding: contents.deleted)
        return (again.messages, contents)
    }

    /// Random messages with gaps: `wide` is how many sequences the widest may miss.
    static func messages(_ count: Int, wide: UInt64, seed: UInt64) -> (messages: [TestMessage], last: UInt64) {
        var random = SeededGenerator(seed: seed)
        let pool = random.bytes(70_000)
        var sequence = UInt64.random(in: 0...5, using: &random)
        var messages: [TestMessage] = []
        for index in 0..<count {
            sequence += 1
            if random.chance(1, in: 3) { sequence += UInt64.random(in: 0...8, using: &random) }
            if wide > 0, random.chance(1, in: max(2, count / 2)) {
                sequence += UInt64.random(in: 0...wide, using: &random)
            }
            let size = Int.random(in: 0...(random.chance(1, in: 20) ? 60_000 : 300), using: &random)
            let headers = random.chance(1, in: 4) ? Array("NATS/1.0\r\nX-N: \(index)\r\n\r\n".utf8) : []
            messages.append(
                TestMessage(
                    sequence: sequence,
                    time: 1_790_000_000_000_000_000 + Int64(index) * 1_000_003,
                    subject: Array("$KV.b.key.\(Int.random(in: 0...(count * 2), using: &random))".utf8),
                    headers: headers,
                    value: Array(pool[..<size])
                )
            )
        }
        return (messages, sequence + (random.chance(1, in: 2) ? UInt64.random(in: 1...9, using: &random) : 0))
    }
}
