/// Puts bytes into the framing of S2 streams, as stored chunks: every server version takes them.
struct S2Writer {
    /// Framed bytes, ready to go.
    private(set) var output: [UInt8] = []
    /// How many bytes were given in.
    private(set) var written: UInt64 = 0
    private var chunk: [UInt8] = []
    private var taken = 0
    private let chunkBytes: Int

    /// A stream of chunks of this many bytes.
    init(chunkBytes: Int = 128 << 10) {
        self.chunkBytes = chunkBytes
        output.append(contentsOf: [0xff, 6, 0, 0])
        output.append(contentsOf: "S2sTwO".utf8)
    }

    /// How many framed bytes wait to be taken.
    var available: Int { output.count - taken }

    /// Writes bytes.
    mutating func write(_ bytes: UnsafeRawBufferPointer) {
        written += UInt64(bytes.count)
        var rest = bytes
        while !rest.isEmpty {
            if chunk.isEmpty, rest.count >= chunkBytes {
                seal(UnsafeRawBufferPointer(rebasing: rest[0..<chunkBytes]))
                rest = UnsafeRawBufferPointer(rebasing: rest[chunkBytes...])
                continue
            }
            let count = min(chunkBytes - chunk.count, rest.count)
            chunk.append(contentsOf: UnsafeRawBufferPointer(rebasing: rest[0..<count]))
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            if chunk.count == chunkBytes { sealChunk() }
        }
    }

    /// Writes bytes.
    mutating func write(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { write($0) }
    }

    /// Ends the stream.
    mutating func finish() {
        if !chunk.isEmpty { sealChunk() }
    }

    /// Takes framed bytes out, at most `count`.
    mutating func take(_ count: Int) -> [UInt8] {
        let end = min(output.count, taken + count)
        let bytes = Array(output[taken..<end])
        taken = end
        if taken == output.count {
            output.removeAll(keepingCapacity: true)
            taken = 0
        } else if taken > 4 << 20 {
            output.removeSubrange(0..<taken)
            taken = 0
        }
        return bytes
    }

    private mutating func sealChunk() {
        let full = chunk
        full.withUnsafeBytes { seal($0) }
        chunk.removeAll(keepingCapacity: true)
    }

    private mutating func seal(_ bytes: UnsafeRawBufferPointer) {
        output.append(0x01)
        let length = bytes.count + 4
        for shift in [0, 8, 16] { output.append(UInt8(truncatingIfNeeded: length >> shift)) }
        output.append(littleEndian: CRC32C.masked(bytes))
        output.append(contentsOf: bytes)
    }
}
