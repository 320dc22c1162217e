import KVModel
import TestSupport
import Testing

@testable import StreamSnapshot

@Suite("Snapshots written and read back")
struct SnapshotRoundTripTests {
    private static let forms: [SnapshotWriter.Form] = [.messageBlocks(.filled), .messageBlocks(.left), .entries]

    @Test("Random messages come back the same, in chunks of any size", arguments: forms, 1...8 as ClosedRange<UInt64>)
    func roundTrip(form: SnapshotWriter.Form, seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let count = Int.random(in: 1...400, using: &random)
        let (messages, last) = TestSnapshot.messages(count, wide: 3000, seed: seed)
        let chunks = try TestSnapshot.write(messages, lastSequence: last, form: form)
        let (read, contents) = try TestSnapshot.read(chunks)
        #expect(read == messages)
        #expect(contents.totals.lastSequence == last)
        #expect(contents.totals.messages == UInt64(count))
        #expect(contents.totals.firstMessage == messages.first?.sequence)
        let whole = chunks.flatMap(\.self)
        let size = Int.random(in: 1...5000, using: &random)
        let small = stride(from: 0, to: whole.count, by: size).map { Array(whole[$0..<min($0 + size, whole.count)]) }
        #expect(try TestSnapshot.read(small).messages == messages)
    }

    @Test("An empty stream keeps its last sequence", arguments: forms, [0, 1, 50] as [UInt64])
    func empty(form: SnapshotWriter.Form, last: UInt64) throws {
        let (read, contents) = try TestSnapshot.read(TestSnapshot.write([], lastSequence: last, form: form))
        #expect(read.isEmpty)
        #expect(contents.totals.lastSequence == last)
    }

    @Test("What a snapshot says of its stream comes back")
    func descriptions() throws {
        let blocks = try TestSnapshot.read(TestSnapshot.write([], lastSequence: 0, form: .messageBlocks(.filled)))
        #expect(blocks.contents.created == "2026-11-01T10:20:30.123456789Z")
        #expect(blocks.contents.configuration?["name"]?.string == "KV_b")
        #expect(blocks.contents.configuration?["Created"] == nil)
        let entries = try TestSnapshot.read(TestSnapshot.write([], lastSequence: 7, form: .entries))
        #expect(entries.contents.configuration == nil)
        #expect(entries.contents.state?.lastSequence == 7)
        #expect(entries.contents.format == .entries)
    }

    @Test("Wide gaps are written in little memory, and one byte at a time is enough")
    func wideGap() throws {
        let early = TestMessage(sequence: 3, time: 1, subject: Array("$KV.b.a".utf8))
        let late = TestMessage(sequence: 400_000, time: 2, subject: Array("$KV.b.b".utf8), value: [1, 2, 3])
        let filled = try TestSnapshot.write([early, late], lastSequence: 400_010, form: .messageBlocks(.filled))
        #expect(try TestSnapshot.read(filled).messages == [early, late])
        #expect(filled.reduce(0) { $0 + $1.count } > 400_000 * 30)
        #expect(filled.dropLast().allSatisfy { $0.count == 128 << 10 })
        let left = try TestSnapshot.write([early, late], lastSequence: 400_010, form: .messageBlocks(.left))
        #expect(left.reduce(0) { $0 + $1.count } < 10_000)
        let single = left.flatMap(\.self).map { [$0] }
        let (read, contents) = try TestSnapshot.read(single)
        #expect(read == [early, late])
        #expect(contents.totals.lastSequence == 400_010)
    }

    @Test("What no snapshot can hold is refused")
    func refusals() throws {
        let message = TestMessage(sequence: 5, time: 0, subject: Array("a".utf8))
        func code(_ body: () throws -> Void) -> StreamSnapshotError.Code? {
            do { try body() } catch { return (error as? StreamSnapshotError)?.code }
            return nil
        }
        for form in Self.forms {
            #expect(code { _ = try TestSnapshot.write([message], lastSequence: 4, form: form) } == .invalid)
            #expect(code { _ = try TestSnapshot.write([message, message], lastSequence: 9, form: form) } == .invalid)
            let bare = TestMessage(sequence: 1, time: 0, subject: [])
            #expect(code { _ = try TestSnapshot.write([bare], lastSequence: 9, form: form) } == .invalid)
            let nameless: JSONValue = ["storage": "file"]
            #expect(
                code { _ = try TestSnapshot.write([], lastSequence: 9, form: form, configuration: nameless) }
                    == .invalid
            )
        }
        let inMemory: JSONValue = ["name": "KV_b", "storage": "memory"]
        #expect(
            code {
                _ = try TestSnapshot.write(
                    [],
                    lastSequence: 9,
                    form: .messageBlocks(.filled),
                    configuration: inMemory
                )
            } == .invalid
        )
    }

    @Test("A snapshot cut anywhere is not taken for a whole one", arguments: forms)
    func truncations(form: SnapshotWriter.Form) throws {
        let (messages, last) = TestSnapshot.messages(20, wide: 0, seed: 3)
        let whole = try TestSnapshot.write(messages, lastSequence: last, form: form).flatMap(\.self)
        for length in stride(from: 0, to: whole.count, by: 97) {
            #expect(throws: StreamSnapshotError.self) { try TestSnapshot.read([Array(whole[..<length])]) }
        }
    }

    @Test("Tombstones, stale records and an index tell what was deleted; a compressed block is read")
    func blockForms() throws {
        let keyed = MessageRecord.keyed(stream: "KV_b", block: 1)
        var block: [UInt8] = []
        for sequence in 1...5 as ClosedRange<UInt64> {
            let message = TestMessage(sequence: sequence, time: 9, subject: Array("$KV.b.k\(sequence)".utf8))
            message.withEntry { MessageRecord.append($0, to: &block, keyed) }
        }
        MessageRecord.append(mark: 2 | MessageRecord.tombstone, time: 9, to: &block, keyed)
        MessageRecord.append(mark: 6 | MessageRecord.erased, time: 9, to: &block, keyed)
        var compressed: [UInt8] = Array("cmp".utf8) + [1]
        compressed.append(varint: UInt64(block.count))
        var nested = S2Writer()
        nested.write(Array(block.dropLast(8)))
        nested.write(Array(block.suffix(8)))
        nested.finish()
        compressed += nested.take(1 << 30)
        for content in [block, compressed + block.suffix(8)] {
            var framing = S2Writer()
            for (name, bytes) in [("meta.inf", Array(#"{"name":"KV_b"}"#.utf8)), ("msgs/1.blk", content)] {
                framing.write(TarWriter.header(name: name, size: bytes.count))
                framing.write(bytes)
                framing.write(TarWriter.padding(size: bytes.count))
            }
            framing.write(TarWriter.end)
            framing.finish()
            let (held, contents) = try TestSnapshot.held([framing.take(1 << 30)])
            #expect(held.map(\.sequence) == [1, 3, 4, 5])
            #expect(contents.totals.lastSequence == 6)
        }
    }
}
