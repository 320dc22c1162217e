import Foundation
import KVModel
import TestSupport
import Testing

@testable import StreamSnapshot

/// Sound inputs, damaged in a thousand ways: whatever comes of them, it is an answer or an error.
///
/// 2,000,000 inputs in all with `CISTERN_LONG` set.
@Suite("Damaged snapshots")
struct MutationTests {
    private static let isLong = ProcessInfo.processInfo.environment["CISTERN_LONG"] != nil
    private static let inputs = isLong ? 400_000 : 2_500

    /// Layers to damage one by one: where a checksum guards a layer, the layer below is damaged before it is made.
    enum Layer: String, CaseIterable {
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
    }

    @Test("Damage gives errors, no trap, no hang, no endless memory", arguments: Layer.allCases)
    func mutations(layer: Layer) throws {
        var random = SeededGenerator(seed: 0xC157_E4A0 + UInt64(layer.rawValue.utf8.count))
        let corpus = try Self.corpus(layer)
        var refused = 0
        for _ in 0..<Self.inputs {
            var input = corpus[Int.random(in: 0..<corpus.count, using: &random)]
            Self.damage(&input, &random)
            if !Self.digest(input, layer) { refused += 1 }
        }
        #expect(refused > Self.inputs / 20, "\(layer) was hardly ever damaged")
    }

    /// Decodes an input; false if it was refused.
    private static func digest(_ input: [UInt8], _ layer: Layer) -> Bool {
        switch layer {
        case .block:
            return input.withUnsafeBytes { bytes in
                guard let (count, start) = SnappyBlock.length(bytes), count <= 1 << 16 else { return false }
                var target = [UInt8](repeating: 0, count: count)
                let elements = UnsafeRawBufferPointer(rebasing: bytes[start...])
                return target.withUnsafeMutableBytes { SnappyBlock.unpack(elements, into: $0) }
            }
        case .framing:
            return reads([input])
        case .tar, .entries, .records:
            var framing = S2Writer(chunkBytes: 1000)
            framing.write(layer == .records ? sealed(input) : input)
            framing.finish()
            return reads([framing.take(1 << 30)])
        }
    }

    private static func reads(_ chunks: [[UInt8]]) -> Bool {
        do {
            var reader = SnapshotReader()
            var bytes: UInt64 = 0
            for chunk in chunks {
                try reader.read(chunk) { bytes += UInt64($0.subject.count + $0.headers.count + $0.value.count) }
            }
            let contents = try reader.finish()
            #expect(contents.totals.bytes == bytes)
            return true
        } catch {
            #expect(error is StreamSnapshotError, "\(error)")
            return false
        }
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

    private static func corpus(_ layer: Layer) throws -> [[UInt8]] {
        let (messages, last) = TestSnapshot.messages(12, wide: 20, seed: 4)
        let short = messages.map { message in
            var short = message
            short.value = Array(message.value.prefix(40))
            return short
        }
        let blocks = try TestSnapshot.write(short, lastSequence: last + 2, form: .messageBlocks(.filled))
        let entries = try TestSnapshot.write(short, lastSequence: last, form: .entries)
        switch layer {
        case .framing:
            return [blocks.flatMap(\.self), entries.flatMap(\.self)]
        case .tar:
            return [try unframed(blocks)]
        case .entries:
            return [try unframed(entries)]
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

    private static func damage(_ input: inout [UInt8], _ random: inout SeededGenerator) {
        let telling: [UInt8] = [0, 1, 0x7f, 0x80, 0xff, 0xfe, 22, 11, 4, 60, 61, 62, 63]
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            guard !input.isEmpty else { return }
            let place = Int.random(in: 0..<input.count, using: &random)
            switch Int.random(in: 0..<7, using: &random) {
            case 0: input[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: input[place] = telling[Int.random(in: 0..<telling.count, using: &random)]
            case 2: input.removeSubrange(place...)
            case 3: input.remove(at: place)
            case 4: input.insert(UInt8.random(in: 0...255, using: &random), at: place)
            case 5:
                let end = min(input.count, place + Int.random(in: 1...600, using: &random))
                input.append(contentsOf: input[place..<end])
            default:
                for index in place..<min(input.count, place + 8) { input[index] = 0xff }
            }
        }
    }
}
