import KVModel

/// Writes the files of a file store into a tar archive: `meta.inf`, `meta.sum` and the message blocks.
struct BlockSnapshotWriter: Sendable {
    /// Placeholders still to be written into a block whose header has been written.
    private struct Fill {
        var next: UInt64
        let end: UInt64
        let time: Int64
        let keyed: HighwayHash64
        let blockSize: Int
    }

    /// A block is closed at this size.
    private static let blockBytes = 4 << 20
    /// Servers take blocks that are larger through placeholders; up to here they are kept together in memory.
    private static let bufferedBytes = 8 << 20
    /// Servers take no longer records.
    private static let maximumRecord = 32 << 20
    /// From 2.10 on: a gap that is wider starts a new block, so that no server counts its sequences one by one.
    private static let widestHole: UInt64 = 65_536

    private let stream: String
    private let gaps: SnapshotWriter.Gaps
    private var number: UInt64 = 1
    private var keyed: HighwayHash64
    private var block: [UInt8] = []
    private var fill: Fill?
    private var endsAfterFill = false

    init(stream: String, gaps: SnapshotWriter.Gaps) {
        self.stream = stream
        self.gaps = gaps
        keyed = MessageRecord.keyed(stream: stream, block: 1)
    }

    /// Writes what says which stream it is.
    func begin(_ description: SnapshotDescription, _ output: inout S2Writer) throws(StreamSnapshotError) {
        var document = description.configuration
        document["Created"] = .string(description.created)
        let meta = try JSONText.encode(document)
        // The server holds the two against each other not while it restores but when it starts next, and drops the
        // stream if they disagree.
        let sum = HighwayHash64.hash(meta, key: SHA256.digest(stream))
        let hexadecimal = (0..<8).map { index in
            let byte = UInt8(truncatingIfNeeded: sum >> UInt64(index * 8))
            return (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
        write(file: "meta.inf", meta, &output)
        write(file: "meta.sum", Array(hexadecimal.utf8), &output)
    }

    /// Writes a message.
    mutating func append(
        _ entry: SnapshotEntry,
        after totals: SnapshotTotals,
        _ output: inout S2Writer
    ) throws(StreamSnapshotError) {
        let size =
            MessageRecord.emptyBytes + 4 + entry.subject.count + entry.headers.count + entry.value.count
        guard size <= Self.maximumRecord else {
            throw StreamSnapshotError(.invalid, at: "sequence \(entry.sequence)", "a message of \(size) bytes")
        }
        if totals.messages > 0, entry.sequence - totals.lastMessage > 1 {
            let missing = totals.lastMessage + 1..<entry.sequence
            if gaps == .filled {
                writeFill(missing, time: totals.lastTime?.nanoseconds ?? 0, &output)
            } else if missing.upperBound - missing.lowerBound > Self.widestHole {
                closeBlock(&output)
            }
        }
        if !block.isEmpty, block.count + size > Self.blockBytes { closeBlock(&output) }
        MessageRecord.append(entry, to: &block, keyed)
    }

    /// Writes what says where the stream ends, and the end.
    mutating func finish(_ description: SnapshotDescription, _ totals: SnapshotTotals, _ output: inout S2Writer) {
        let last = description.lastSequence
        let time = totals.lastTime?.nanoseconds ?? Timestamp(rfc3339: description.created)?.nanoseconds ?? 0
        if totals.messages == 0, last > 0 {
            drain(&output)
            write(file: "msgs/1.blk", [], &output)
            write(file: "msgs/1.idx", LegacyBlockIndex(emptyAt: last).encoded(time: time), &output)
        } else if last > totals.lastMessage, gaps == .filled {
            writeFill(totals.lastMessage + 1..<last + 1, time: time, &output)
        } else if last > totals.lastMessage {
            closeBlock(&output)
            MessageRecord.append(mark: last | MessageRecord.tombstone, time: time, to: &block, keyed)
        }
        guard fill == nil else {
            endsAfterFill = true
            return
        }
        closeBlock(&output)
        end(&output)
    }

    /// Writes some more of the placeholders that are due; false if there are none.
    mutating func fillMore(_ output: inout S2Writer) -> Bool {
        guard var fill else { return false }
        var records: [UInt8] = []
        let count = min(fill.end - fill.next, 4096)
        records.reserveCapacity(Int(count) * MessageRecord.emptyBytes)
        for sequence in fill.next..<fill.next + count {
            MessageRecord.append(mark: sequence | MessageRecord.erased, time: fill.time, to: &records, fill.keyed)
        }
        output.write(records)
        fill.next += count
        guard fill.next == fill.end else {
            self.fill = fill
            return true
        }
        self.fill = nil
        output.write(TarWriter.padding(size: fill.blockSize))
        if endsAfterFill { end(&output) }
        return true
    }

    /// Puts placeholders behind the last message, in its block: 2.9 wants each block to begin with a message.
    private mutating func writeFill(_ missing: Range<UInt64>, time: Int64, _ output: inout S2Writer) {
        let count = missing.upperBound - missing.lowerBound
        let size = block.count + Int(clamping: count) * MessageRecord.emptyBytes
        guard size > Self.bufferedBytes else {
            for sequence in missing {
                MessageRecord.append(mark: sequence | MessageRecord.erased, time: time, to: &block, keyed)
            }
            return
        }
        drain(&output)
        output.write(TarWriter.header(name: "msgs/\(number).blk", size: size))
        output.write(block)
        fill = Fill(next: missing.lowerBound, end: missing.upperBound, time: time, keyed: keyed, blockSize: size)
        nextBlock()
    }

    private mutating func closeBlock(_ output: inout S2Writer) {
        guard !block.isEmpty else { return }
        drain(&output)
        write(file: "msgs/\(number).blk", block, &output)
        nextBlock()
    }

    private mutating func nextBlock() {
        block.removeAll(keepingCapacity: true)
        number += 1
        keyed = MessageRecord.keyed(stream: stream, block: number)
    }

    private mutating func drain(_ output: inout S2Writer) {
        while fillMore(&output) {}
    }

    private func write(file name: String, _ content: [UInt8], _ output: inout S2Writer) {
        output.write(TarWriter.header(name: name, size: content.count))
        output.write(content)
        output.write(TarWriter.padding(size: content.count))
    }

    private func end(_ output: inout S2Writer) {
        output.write(TarWriter.end)
        output.finish()
    }
}
