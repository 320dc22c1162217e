import NATSProtocol
import NIOCore
import Testing

@Suite struct BatchMemoryTests {
    /// A batch that waits to be taken must not hold the messages of others that came in the same buffer.
    @Test(arguments: [1, 10, 100]) func holdsLittleMoreThanItsOwn(others: Int) throws {
        let own = "MSG a 1 1\r\nx\r\n"
        let other = String(repeating: "MSG b 2 1000\r\n\(String(repeating: "y", count: 1_000))\r\n", count: others)
        var parser = FrameParser()
        var kept: [MessageBatch] = []
        for _ in 0..<100 {
            var elements: [FrameParser.Element] = []
            try parser.parse(ByteBuffer(string: own + other), into: &elements)
            for case .messages(let batch) in elements where batch.frames.first?.sid == 1 { kept.append(batch) }
        }
        #expect(kept.count == 100)
        for batch in kept {
            #expect(batch.bytes.storageCapacity <= 4 * batch.bytes.readableBytes)
            #expect(batch[0].subject == "a")
            #expect(String(buffer: batch[0].payload) == "x")
        }
    }

    /// Whole buffers of one subscription, the way of all bulk, are not copied.
    @Test func sharesTheBufferOfALongRun() throws {
        let buffer = ByteBuffer(string: String(repeating: "MSG a 1 1\r\nx\r\n", count: 1_000))
        var parser = FrameParser()
        var elements: [FrameParser.Element] = []
        try parser.parse(buffer, into: &elements)
        guard case .messages(let batch) = elements.first else {
            Issue.record("no messages")
            return
        }
        let there = buffer.withUnsafeReadableBytes { $0.baseAddress }
        #expect(batch.bytes.withUnsafeReadableBytes { $0.baseAddress } == there)
    }
}
