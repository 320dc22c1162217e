import Foundation
import KVModel
import Testing

@testable import Archive

private func decoded(_ segment: EncodedSegment) throws -> [Entry] {
    let decoded = try DecodedSegment(body: Data(segment.body))
    var entries: [Entry] = []
    for block in decoded.valueBlocks {
        try decoded.unpack(block, from: StoredValues(bytes: Data(segment.values), cipher: nil)).withUnsafeBytes {
            values in
            var offset = 0
            for index in block.entries {
                let length = Int(decoded.valueLengths[index])
                decoded.withEntry(index, value: values.part(offset..<offset + length)) { entries.append(Entry($0)) }
                offset += length
            }
        }
    }
    return entries
}

@Test("What a builder takes, a segment gives back", arguments: 0..<60)
func segmentRoundTrip(seed: Int) throws {
    var random = SeededGenerator(seed: UInt64(seed))
    let count = [1, 2, 30, 300, 1500].randomElement(using: &random) ?? 1
    let keys = [1, 3, 200, 700].randomElement(using: &random) ?? 1
    let entries = random.entries(count, keys: keys)
    let block = [1, 100, 4000, 1 << 20].randomElement(using: &random) ?? 1
    let segment = try #require(
        try TestArchive.segments(entries, perSegment: count, valueBlockBytes: block).first
    )
    #expect(try decoded(segment) == entries)
    let header = try DecodedSegment(body: Data(segment.body)).header
    #expect(header == segment.header)
    #expect(segment.firstRevision == entries.first?.revision)
    #expect(segment.lastRevision == entries.last?.revision)
    for entry in entries {
        #expect(try KeyFilter.concerns(entry.key, filter: Data(segment.keyFilter)))
    }
}

@Test("A key filter lets few strangers pass")
func filterSelectivity() throws {
    var keys = ByteDictionary()
    for index in 0..<5000 { Key("user.\(index).profile").bytes.withUnsafeBytes { _ = keys.insert($0) } }
    let filter = Data(KeyFilter(keys, dropsEverything: false).encoded)
    let passed = try (5000..<25_000).count { try KeyFilter.concerns(Key("user.\($0).profile"), filter: filter) }
    #expect(passed < 400, "of 20,000")
    let all = Data(KeyFilter(keys, dropsEverything: true).encoded)
    #expect(try KeyFilter.concerns("anything", filter: all))
}

@Test("A value of 64 MiB goes in and out")
func largeValue() throws {
    var value = [UInt8](repeating: 1, count: 64 << 20)
    for index in stride(from: 0, to: value.count, by: 4097) { value[index] = UInt8(truncatingIfNeeded: index) }
    let time = Timestamp(nanoseconds: 1)
    let entries = [
        Entry(revision: 1, time: time, operation: .put, key: "small", value: [1]),
        Entry(revision: 2, time: time, operation: .put, key: "large", value: value),
        Entry(revision: 3, time: time, operation: .put, key: "small", value: [2]),
    ]
    let archive = try TestArchive()
    let incarnation = try archive.fill(entries)
    let reader = try ArchiveReader.open(path: archive.path)
    #expect(try reader.history(of: "small", in: incarnation.id).map(\.value) == [[1], [2]])
    let large = try #require(try reader.latest("large", in: incarnation.id)).value
    #expect(large.withUnsafeBytes { large in value.withUnsafeBytes { $0.isSame(as: large) } })
    #expect(try reader.verify().problems == [])
}

@Test("A builder refuses what would break the order, and stays as it was")
func builderOrder() throws {
    var builder = SegmentBuilder()
    let entry = Entry(revision: 5, time: Timestamp(nanoseconds: 1), operation: .put, key: "a")
    try entry.withView { try builder.append($0) }
    for revision: Revision in [5, 4, 0, .max] {
        var other = entry
        other.revision = revision
        #expect(throws: ArchiveError.self) { try other.withView { try builder.append($0) } }
    }
    #expect(builder.count == 1)
    #expect(builder.lastRevision == 5)
    #expect(throws: ArchiveError.self) { _ = try SegmentBuilder().encode() }
}

@Test("A segment without one of its bytes, or with a changed one, is never taken for sound, and never traps")
func bodyDamage() throws {
    var random = SeededGenerator(seed: 7)
    let entries = random.entries(60, keys: 9, valueBytes: 30)
    let segment = try #require(try TestArchive.segments(entries).first)
    for length in 0..<segment.body.count {
        #expect(throws: SegmentDamage.self) { _ = try DecodedSegment(body: Data(segment.body.prefix(length))) }
    }
    for index in segment.body.indices {
        var body = segment.body
        body[index] ^= 1 << UInt8.random(in: 0...7, using: &random)
        // A change that still unpacks is the digest's to find.
        _ = try? DecodedSegment(body: Data(body))
    }
}

@Test("Random bytes are an error", arguments: 0..<300)
func randomBodies(seed: Int) {
    var random = SeededGenerator(seed: UInt64(seed))
    var body = random.bytes(Int.random(in: 0...400, using: &random))
    if seed % 2 == 0 {
        let header = SegmentFormat.magic + [SegmentFormat.version, UInt8(SegmentFormat.Column.allCases.count), 0, 0]
        body = header + [UInt8.random(in: 0...9, using: &random), 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0] + body
    }
    #expect(throws: SegmentDamage.self) { _ = try DecodedSegment(body: Data(body)) }
}
