/// What a consumer says of a message in its reply subject.
public struct DeliveryMetadata: Sendable, Hashable {
    /// The message's sequence in the stream.
    public var streamSequence: UInt64
    /// The delivery's number at this consumer, counted from 1.
    public var consumerSequence: UInt64
    /// When the server stored the message, in nanoseconds since 1970.
    public var time: Int64
    /// How many messages the consumer has still to deliver: an estimate while the stream is written to.
    public var pending: UInt64

    /// Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<sseq>.<cseq>.<ns>.<pending>`, and the longer form with domain
    /// and account hash after `ACK` (servers from 2.14 on, if asked for); nil for anything else.
    public init?(reply: UnsafeRawBufferPointer) {
        // Offsets of the tokens: the short form has 9, the long one 11 or more.
        var starts: (Int, Int, Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0, 0, 0)
        var tokens = 1
        withUnsafeMutableBytes(of: &starts) { raw in
            let table = raw.assumingMemoryBound(to: Int.self)
            for index in 0..<reply.count where reply[index] == 46 {
                // Token number `tokens` begins behind this dot; of tokens 5 to 12 the start is kept.
                if tokens >= 5, tokens <= 12 { table[tokens - 5] = index + 1 }
                tokens += 1
            }
        }
        guard tokens == 9 || tokens >= 11, reply.count > 8, reply.starts(with: Self.prefix) else { return nil }
        let first = tokens == 9 ? starts.0 : starts.2
        var cursor = first
        guard let sequence = Self.number(reply, &cursor),
            let delivery = Self.number(reply, &cursor),
            let time = Self.number(reply, &cursor),
            let pending = Self.number(reply, &cursor)
        else { return nil }
        streamSequence = sequence
        consumerSequence = delivery
        self.time = Int64(clamping: time)
        self.pending = pending
    }

    private static let prefix: [UInt8] = Array("$JS.ACK.".utf8)

    private static func number(_ bytes: UnsafeRawBufferPointer, _ cursor: inout Int) -> UInt64? {
        var value: UInt64 = 0
        let start = cursor
        while cursor < bytes.count, bytes[cursor] != 46 {
            let digit = bytes[cursor] &- 48
            guard digit < 10, cursor - start < 20 else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowToo) = product.addingReportingOverflow(UInt64(digit))
            guard !overflow, !overflowToo else { return nil }
            value = sum
            cursor += 1
        }
        guard cursor > start else { return nil }
        cursor += 1
        return value
    }
}
