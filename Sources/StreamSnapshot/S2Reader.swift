/// Takes the framing of S2 and snappy streams apart: chunks of bytes in, one unpacked block at a time out.
///
/// It holds one chunk and one block, both bounded by the format (16 MiB, 4 MiB).
struct S2Reader {
    /// The largest block that S2 makes, and snappy.
    private static let blockLimits = (s2: 4 << 20, snappy: 64 << 10)

    private var input: [UInt8] = []
    private var position = 0
    /// Where in the stream `input` begins.
    private var inputOffset: UInt64 = 0
    private var skipping = 0
    private var blockLimit: Int?
    private var block: [UInt8] = []
    private var blockCount = 0
    private let place: String

    /// A reader that calls its input `place` in errors.
    init(place: String) {
        self.place = place
    }

    /// Takes more of the stream.
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if position > 0 {
            input.removeSubrange(0..<position)
            inputOffset += UInt64(position)
            position = 0
        }
        input.append(contentsOf: bytes)
    }

    /// Unpacks the next block, for `withBlock`; false if there is none in what was taken.
    mutating func next() throws(StreamSnapshotError) -> Bool {
        while true {
            if skipping > 0 {
                let count = min(skipping, input.count - position)
                position += count
                skipping -= count
            }
            guard skipping == 0, input.count - position >= 4 else { return false }
            let kind = input[position]
            let length = Int(input[position + 1]) | Int(input[position + 2]) << 8 | Int(input[position + 3]) << 16
            switch kind {
            case 0xff:
                guard length == 6 else { throw failure(.corrupt, "this is no S2 or snappy stream") }
                guard input.count - position >= 10 else { return false }
                try begin(input[position + 4..<position + 10])
                position += 10
            case 0x00, 0x01:
                guard let limit = blockLimit else { throw failure(.corrupt, "this is no S2 or snappy stream") }
                guard length >= 4, length <= 4 + limit + limit / 6 + 32 else {
                    throw failure(.corrupt, "a chunk of \(length) bytes")
                }
                guard input.count - position >= 4 + length else { return false }
                try unpack(isCompressed: kind == 0, body: position + 8..<position + 4 + length, limit: limit)
                position += 4 + length
                return true
            case 0x80...0xfe:
                guard blockLimit != nil else { throw failure(.corrupt, "this is no S2 or snappy stream") }
                position += 4
                skipping = length
            default:
                throw failure(.corrupt, "a chunk of the unknown kind \(kind)")
            }
        }
    }

    /// Calls `body` with the block that `next` unpacked.
    func withBlock<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try block.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[0..<blockCount])) }
    }

    /// Checks that the stream ended where a chunk ends.
    func finish() throws(StreamSnapshotError) {
        guard position == input.count, skipping == 0 else { throw failure(.truncated, "it ends inside a chunk") }
        guard blockLimit != nil else { throw failure(.truncated, "it is empty") }
    }

    private mutating func begin(_ name: ArraySlice<UInt8>) throws(StreamSnapshotError) {
        if name.elementsEqual("S2sTwO".utf8) {
            blockLimit = Self.blockLimits.s2
        } else if name.elementsEqual("sNaPpY".utf8) {
            blockLimit = Self.blockLimits.snappy
        } else {
            throw failure(.corrupt, "this is no S2 or snappy stream")
        }
    }

    private mutating func unpack(isCompressed: Bool, body: Range<Int>, limit: Int) throws(StreamSnapshotError) {
        var expected: UInt32 = 0
        for index in 0..<4 { expected |= UInt32(input[body.lowerBound - 4 + index]) << UInt32(index * 8) }
        let start: Int
        if isCompressed {
            let header = input.withUnsafeBytes { SnappyBlock.length(UnsafeRawBufferPointer(rebasing: $0[body])) }
            guard let header, header.count <= limit else {
                throw failure(.corrupt, "a compressed chunk has no sound length")
            }
            (blockCount, start) = header
        } else {
            guard body.count <= limit else { throw failure(.corrupt, "a chunk of \(body.count) bytes") }
            (blockCount, start) = (body.count, 0)
        }
        let count = blockCount
        if block.count < count { block = [UInt8](repeating: 0, count: max(count, 64 << 10)) }
        let isSound = input.withUnsafeBytes { source in
            block.withUnsafeMutableBytes { all in
                let from = UnsafeRawBufferPointer(rebasing: source[body.lowerBound + start..<body.upperBound])
                let to = UnsafeMutableRawBufferPointer(rebasing: all[0..<count])
                guard isCompressed else {
                    to.copyMemory(from: from)
                    return true
                }
                return SnappyBlock.unpack(from, into: to)
            }
        }
        guard isSound else { throw failure(.corrupt, "a compressed chunk does not unpack") }
        guard withBlock(CRC32C.masked) == expected else { throw failure(.corrupt, "a chunk's checksum is wrong") }
    }

    private func failure(_ code: StreamSnapshotError.Code, _ text: String) -> StreamSnapshotError {
        StreamSnapshotError(code, at: "\(place), byte \(inputOffset + UInt64(position))", text)
    }
}
