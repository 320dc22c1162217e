import KVModel
import NIOCore

@testable import Archive

/// What the benchmarks work on, always the same.
enum Samples {
    static let entries = 10_000
    static let keys = 2000

    /// A sequence of numbers that anyone can repeat.
    struct Numbers {
        private var state: UInt32 = 12_345

        mutating func next() -> UInt32 {
            state = state &* 1_664_525 &+ 1_013_904_223
            return state >> 8
        }
    }

    private static func value(_ numbers: inout Numbers, key: Int) -> [UInt8] {
        let alphabet = Array("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_".utf8)
        var value = Array("{\"id\":\(key),\"name\":\"user-\(key)\",\"plan\":\"enterprise\",\"token\":\"".utf8)
        while value.count < 254 { value.append(alphabet[Int(numbers.next() & 63)]) }
        return value + Array("\"}".utf8)
    }

    /// Entries of 256 bytes, five of each key.
    static let bucket: [Entry] = {
        var numbers = Numbers()
        return (1...entries).map { revision in
            let key = Int(numbers.next()) % keys
            return Entry(
                revision: Revision(revision),
                time: Timestamp(nanoseconds: 1_790_000_000_000_000_000 + Int64(revision) * 2_000),
                operation: .put,
                key: Key(bytes: Array("user.\(key).profile".utf8)),
                headers: [],
                value: value(&numbers, key: key)
            )
        }
    }()

    /// A consumer's messages as a server sends them, in reads of 64 KiB.
    static let wire: [ByteBuffer] = {
        var reads: [ByteBuffer] = []
        var all = ByteBuffer()
        for entry in bucket {
            let place = "\(entry.revision).\(entry.revision).\(entry.time.nanoseconds).0"
            all.writeString("MSG $KV.bucket.")
            all.writeBytes(entry.key.bytes)
            all.writeString(" 17 $JS.ACK.KV_bucket.consumer.1.\(place) \(entry.value.count)\r\n")
            all.writeBytes(entry.value)
            all.writeString("\r\n")
        }
        while let read = all.readSlice(length: min(64 << 10, all.readableBytes)), read.readableBytes > 0 {
            // Each read of a socket has a buffer of its own.
            reads.append(ByteBuffer(bytes: read.readableBytesView))
        }
        return reads
    }()

    static func builder() throws -> SegmentBuilder {
        var builder = SegmentBuilder()
        for entry in bucket { try entry.withView { try builder.append($0) } }
        return builder
    }
}
