import Testing

@testable import StreamSnapshot

@Suite("Snappy and S2")
struct SnappyBlockTests {
    private func unpack(_ block: [UInt8]) -> [UInt8]? {
        block.withUnsafeBytes { bytes in
            guard let (count, start) = SnappyBlock.length(bytes) else { return nil }
            var target = [UInt8](repeating: 0, count: count)
            let elements = UnsafeRawBufferPointer(rebasing: bytes[start...])
            return target.withUnsafeMutableBytes { SnappyBlock.unpack(elements, into: $0) } ? target : nil
        }
    }

    private func repeated(_ bytes: [UInt8], count: Int) -> [UInt8] {
        (0..<count).map { bytes[$0 % bytes.count] }
    }

    /// A block of this length: a literal of four bytes, a copy of four at distance four, and then `elements`.
    private func block(_ count: UInt64, _ elements: [UInt8]) -> [UInt8] {
        var block: [UInt8] = []
        block.append(varint: count)
        return block + [0x0c, 1, 2, 3, 4, 0x01, 4] + elements
    }

    @Test(
        "Every kind of element",
        arguments: [
            (8, []), (12, [0x01, 0]), (16, [0x11, 0]), (8 + 8, [0x15, 0, 0]), (8 + 263, [0x15, 0, 255]),
            (8 + 260, [0x19, 0, 0, 0]), (8 + 260 + 65_535, [0x19, 0, 255, 255]), (8 + 65_540, [0x1d, 0, 0, 0, 0]),
            (8 + 65_540 + 65_536, [0x1d, 0, 0, 0, 1]), (8 + 64, [0xfe, 4, 0]), (8 + 64, [0xff, 4, 0, 0, 0]),
        ] as [(Int, [UInt8])]
    )
    func elements(count: Int, elements: [UInt8]) {
        #expect(unpack(block(UInt64(count), elements)) == repeated([1, 2, 3, 4], count: count))
    }

    @Test("Literals with lengths of one to four bytes")
    func literals() {
        let data = (0..<300).map { UInt8(truncatingIfNeeded: $0) }
        var length: [UInt8] = []
        length.append(varint: 300)
        for (tag, bytes) in [(61, 2), (62, 3), (63, 4)] {
            let count = (0..<bytes).map { UInt8(truncatingIfNeeded: 299 >> ($0 * 8)) }
            #expect(unpack(length + [UInt8(tag << 2)] + count + data) == data)
        }
        #expect(unpack([100, 60 << 2, 99] + data.prefix(100)) == Array(data.prefix(100)))
    }

    @Test(
        "What cannot be unpacked is refused",
        arguments: [
            [], [0x80], [0x80, 0x80, 0x80, 0x80, 0x80, 1], [4, 0x0c, 1, 2, 3], [5, 0x0c, 1, 2, 3, 4],
            [3, 0x0c, 1, 2, 3, 4], [8, 0x01, 0], [8, 0x0c, 1, 2, 3, 4, 0x01, 5], [8, 0x0c, 1, 2, 3, 4, 0x0e, 0, 0],
            [8, 0x0c, 1, 2, 3, 4, 0x0e, 4], [8, 0x0c, 1, 2, 3, 4, 0x0f, 4, 0, 0], [20, 0xfc, 255, 255, 255, 255],
        ] as [[UInt8]]
    )
    func refused(block: [UInt8]) {
        #expect(unpack(block) == nil)
    }

    @Test("Framing: repeated names, padding, skippable chunks, snappy's name; wrong checksums and sizes are refused")
    func framing() throws {
        func chunk(_ kind: UInt8, _ body: [UInt8]) -> [UInt8] {
            [kind] + (0..<3).map { UInt8(truncatingIfNeeded: body.count >> ($0 * 8)) } + body
        }
        func stored(_ data: [UInt8]) -> [UInt8] {
            var sum: [UInt8] = []
            sum.append(littleEndian: data.withUnsafeBytes { CRC32C.masked($0) })
            return chunk(1, sum + data)
        }
        func read(_ bytes: [UInt8]) throws -> [UInt8] {
            var reader = S2Reader(place: "test")
            var result: [UInt8] = []
            for byte in bytes {
                [byte].withUnsafeBytes { reader.append($0) }
                while try reader.next() { reader.withBlock { result.append(contentsOf: $0) } }
            }
            try reader.finish()
            return result
        }
        let s2 = chunk(0xff, Array("S2sTwO".utf8))
        let snappy = chunk(0xff, Array("sNaPpY".utf8))
        #expect(
            try read(s2 + stored([1, 2]) + chunk(0xfe, [0, 0]) + s2 + chunk(0x99, [7]) + stored([3])) == [1, 2, 3]
        )
        #expect(try read(snappy + stored([9])) == [9])
        var wrong = stored([5])
        wrong[8] ^= 1
        let large = [UInt8](repeating: 1, count: 65_537)
        let bad = [
            [], stored([1]), s2 + wrong, s2 + chunk(2, []), s2 + chunk(1, [1, 2]), chunk(0xff, [1]),
            chunk(0xff, Array("S2sTwo".utf8)), s2 + [1, 9], snappy + stored(large),
        ]
        for bytes in bad { #expect(throws: StreamSnapshotError.self, "\(bytes.prefix(20))") { try read(bytes) } }
        #expect(try read(s2 + stored(large)) == large)
    }
}
