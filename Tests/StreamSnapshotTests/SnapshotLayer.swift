import KVModel
import TestSupport

@testable import StreamSnapshot

/// Layers of a snapshot to damage one by one, by a mutation test and by a fuzzer.
///
/// Where a checksum guards a layer, the layer below is damaged before it is made.
enum SnapshotLayer: String, CaseIterable {
    /// The framing, checksums and all.
    case framing
    /// Compressed blocks of snappy and S2.
    case block
    /// What is in the framing: a tar archive of message blocks.
    case tar
    /// The records, under right hashes where there are any.
    case records
    /// The entries format.
    case entries
    /// The small file beside a snapshot.
    case metadata

    /// What was read is not what the reader says that it read.
    private struct WrongTotals: Error {}

    /// Decodes an input that comes in pieces; false if it was refused with a `StreamSnapshotError`, any other is thrown.
    func digest(_ input: [UInt8], piece: Int = .max) throws -> Bool {
        switch self {
        case .block:
            return input.withUnsafeBytes { bytes in
                guard let (count, start) = SnappyBlock.length(bytes), count <= 1 << 16 else { return false }
                var target = [UInt8](repeating: 0, count: count)
                let elements = UnsafeRawBufferPointer(rebasing: bytes[start...])
                return target.withUnsafeMutableBytes { SnappyBlock.unpack(elements, into: $0) }
            }
        case .framing:
            return try Self.reads(input, piece)
        case .tar, .entries, .records:
            var framing = S2Writer(chunkBytes: 1000)
            framing.write(self == .records ? Self.sealed(input) : input)
            framing.finish()
            return try Self.reads(framing.take(1 << 30), piece)
        case .metadata:
            do {
                let metadata = try BackupMetadata(input)
                _ = try metadata.encoded()
                return true
            } catch {
                return false
            }
        }
    }

    private static func reads(_ input: [UInt8], _ piece: Int) throws -> Bool {
        do {
            let contents = try read(input, piece, excluding: DeletedSequences())
            // What was deleted is known at the end, and a second reading passes over it.
            if !contents.deleted.isEmpty { _ = try read(input, piece, excluding: contents.deleted) }
            return true
        } catch is StreamSnapshotError {
            return false
        }
    }

    private static func read(
        _ input: [UInt8],
        _ piece: Int,
        excluding deleted: DeletedSequences
    ) throws -> SnapshotContents {
        var reader = SnapshotReader(excluding: deleted)
        var bytes: UInt64 = 0
        var start = 0
        while start < input.count {
            let end = start + min(piece, input.count - start)
            try reader.read(Array(input[start..<end])) { entry in
                bytes += UInt64(entry.subject.count + entry.headers.count + entry.value.count)
            }
            start = end
        }
        let contents = try reader.finish()
        guard contents.totals.bytes == bytes else { throw WrongTotals() }
        return contents
    }

    /// An archive with `content` as its index, its `.idx` and, with hashes put right, its message block.
    private static func sealed(_ content: [UInt8]) -> [UInt8] {
        let stream = "KV_b"
        var block = content
        var position = 0
        let keyed = MessageRecord.keyed(stream: stream, block: 1)
        while position + 4 <= block.count {
            let hash: UInt64? = block.withUnsafeBytes { all in
                let rest = UnsafeRawBufferPointer(rebasing: all[position...])
                let (count, hasHeaders) = MessageRecord.length(rest)
                guard count <= rest.count else { return nil }
                let record = UnsafeRawBufferPointer(rebasing: rest[0..<count])
                return MessageRecord.parts(record, hasHeaders: hasHeaders)?.expectedHash(keyed)
            }
            guard let hash else { break }
            position +=
                block.withUnsafeBytes { MessageRecord.length(UnsafeRawBufferPointer(rebasing: $0[position...])) }.count
            for index in 0..<8 { block[position - 8 + index] = UInt8(truncatingIfNeeded: hash >> UInt64(index * 8)) }
        }
        var index = content
        index.append(littleEndian: HighwayHash64.hash(content, key: SHA256.digest(stream)))
        var archive: [UInt8] = []
        let files = [
            ("meta.inf", Array(#"{"name":"KV_b"}"#.utf8)), ("msgs/1.idx", content), ("msgs/1.blk", block),
            ("msgs/index.db", index),
        ]
        for (name, bytes) in files {
            archive += TarWriter.header(name: name, size: bytes.count) + bytes + TarWriter.padding(size: bytes.count)
        }
        return archive + TarWriter.end
    }

    /// Sound inputs.
    func corpus() throws -> [[UInt8]] {
        let (messages, last) = TestSnapshot.messages(12, wide: 20, seed: 4)
        let short = messages.map { message in
            var short = message
            short.value = Array(message.value.prefix(40))
            return short
        }
        let blocks = try TestSnapshot.write(short, lastSequence: last + 2, form: .messageBlocks(.filled))
        let entries = try TestSnapshot.write(short, lastSequence: last, form: .entries)
        switch self {
        case .metadata:
            let text = """
                {"config":{"name":"KV_b","subjects":["$KV.b.>"],"max_age":3600000000000,"x":[1.5e3,null,true]},"state":
                {"messages":3,"bytes":120,"first_seq":2,"first_ts":"2026-11-20T10:00:00.5Z","last_seq":9,"num_deleted":5}}
                """
            return [Array(text.utf8)]
        case .framing:
            return [blocks.flatMap(\.self), entries.flatMap(\.self)]
        case .tar:
            return [try Self.unframed(blocks)]
        case .entries:
            return [try Self.unframed(entries)]
        case .block:
            // 20 zeros as a literal and a copy; then with S2's repeats; then far copies.
            return [
                [20, 0x0c, 1, 2, 3, 4, 0x3e, 4, 0, 0], [40, 0x0c, 1, 2, 3, 4, 0x01, 4, 0x15, 0, 20],
                [24, 0x0c, 1, 2, 3, 4, 0x4f, 4, 0, 0, 0], [12, 0xf0, 7, 1, 2, 3, 4, 5, 6, 7, 8, 0x01, 4],
            ]
        case .records:
            let keyed = MessageRecord.keyed(stream: "KV_b", block: 1)
            var block: [UInt8] = []
            for message in short.prefix(5) { message.withEntry { MessageRecord.append($0, to: &block, keyed) } }
            MessageRecord.append(mark: 4 | MessageRecord.tombstone, time: 1, to: &block, keyed)
            var index: [UInt8] = [11, 2]
            for number in [5, 300, 1] as [UInt64] { index.append(varint: number) }
            index.append(zigZag: 17)
            for number in [9, 6, 1, 3] as [UInt64] { index.append(varint: number) }
            index += Array("a.b".utf8) + [2, 1, 1, 1]
            for number in [1, 300, 1, 0, 9, 0, 2, 0] as [UInt64] { index.append(varint: number) }
            index += [22, 2]
            index.append(littleEndian: UInt32(1))
            index.append(littleEndian: UInt32(2))
            for number in 0..<33 as Range<UInt64> { index.append(littleEndian: number == 1 ? 12 : UInt64(0)) }
            index += [0, 0, 1]
            index.append(littleEndian: UInt64(99))
            return [block, index, LegacyBlockIndex(emptyAt: 70).encoded(time: 5) + [1, 2, 3]]
        }
    }

    private static func unframed(_ chunks: [[UInt8]]) throws -> [UInt8] {
        var reader = S2Reader(place: "test")
        var bytes: [UInt8] = []
        for chunk in chunks {
            chunk.withUnsafeBytes { reader.append($0) }
            while try reader.next() { reader.withBlock { bytes.append(contentsOf: $0) } }
        }
        return bytes
    }
}
