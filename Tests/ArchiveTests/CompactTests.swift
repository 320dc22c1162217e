import Foundation
import KVModel
import Schedule
import Testing

@testable import Archive

@Test(
    "A compaction merges small segments and changes nothing that can be asked for",
    arguments: 0..<(isLongRun ? 60 : 6)
)
func compactKeepsEverything(seed: Int) throws {
    let archive = try TestArchive()
    // Every other archive is encrypted.
    let key = seed % 2 == 0 ? nil : try ArchiveKey.random()
    var history = try RandomHistory(seed: UInt64(seed) + 100, path: archive.path, key: key)
    let id = history.incarnation.id
    for _ in 0..<2 {
        try history.grow(commits: 25)
        let reader = try ArchiveReader.open(path: archive.path, key: key)
        let revisions = history.entries.map(\.revision).enumerated().filter { $0.offset % 15 == 7 }.map(\.element)
        let before = try revisions.map { try SeenState(reader, id, $0) }
        let tags = try reader.tags(of: id)
        let checkpoint = try reader.checkpoint(id)
        let segments = try reader.segments(of: id).count
        let limits = SegmentBuilder.Limits(entries: 30, valueBlockBytes: 500)
        let plan = try reader.compactionPlan(limits: limits)
        let writer = try ArchiveWriter.open(path: archive.path, key: key)
        let report = try writer.compact(limits: limits)
        try writer.close()
        #expect(report.buckets == plan.buckets)
        #expect(report.buckets[0].droppedEntries == 0)
        #expect(try reader.segments(of: id).count == plan.buckets[0].segmentsAfter)
        #expect(plan.buckets[0].segmentsAfter < segments)
        #expect(try revisions.map { try SeenState(reader, id, $0) } == before)
        #expect(try reader.tags(of: id) == tags)
        #expect(try reader.checkpoint(id) == checkpoint)
        #expect(try reader.verify().problems == [])
        #expect(try reader.compactionPlan(limits: limits).isEmpty)
    }
}

@Test("A merge of segments that are each alike in themselves takes no more room", arguments: [false, true])
func compactionNeverGrows(isEncrypted: Bool) throws {
    let archive = try TestArchive()
    let key = isEncrypted ? try ArchiveKey.random() : nil
    var random = SeededGenerator(seed: 8)
    // Each segment's values are cut from bytes of its own: they pack well with each other, and with no others.
    var entries: [Entry] = []
    for _ in 0..<10 {
        let pool = random.bytes(33_000)
        for _ in 0..<300 {
            let start = Int.random(in: 0..<32_000, using: &random)
            let number = entries.count + 1
            entries.append(
                Entry(
                    revision: Revision(number),
                    time: Timestamp(nanoseconds: Int64(number)),
                    operation: .put,
                    key: Key("key.\(number % 200)"),
                    value: Array(pool[start..<start + 900])
                )
            )
        }
    }
    let writer = try ArchiveWriter.open(path: archive.path, createIfMissing: true, key: key)
    let bucket = try BucketName("orders")
    let incarnation = try writer.incarnation(cluster: "east", bucket: bucket, created: "2026-11-01T12:00:00Z")
    let last = Checkpoint(
        resumeRevision: Revision(entries.count),
        consistentRevision: Revision(entries.count),
        consistentTime: Timestamp(nanoseconds: Int64(entries.count)),
        updated: Timestamp(nanoseconds: Int64(entries.count))
    )
    let segments = try TestArchive.segments(entries, perSegment: 300, valueBlockBytes: 256 << 10)
    try writer.commit(segments, incarnation.id, checkpoint: last)
    let report = try writer.compact(limits: SegmentBuilder.Limits(valueBlockBytes: 256 << 10))
    #expect(report.buckets[0].segmentsAfter == 1)
    // Packed anew they would: all values end to end, cut into blocks, are less alike.
    let anew = try TestArchive.segments(entries, perSegment: entries.count, valueBlockBytes: 256 << 10)
    let before = segments.reduce(0) { $0 + $1.storedSize }
    #expect(anew[0].storedSize > before)
    let stored = try writer.reader().segments(of: incarnation.id).reduce(0) { $0 + $1.storedBytes }
    #expect(stored < before)
    try writer.close()
    let reader = try ArchiveReader.open(path: archive.path, key: key)
    #expect(try reader.verify().problems == [])
    let state = try reader.state(of: incarnation.id, at: Revision(entries.count), historyMode: .full)
    #expect(try TestArchive.entries(state) == entries)
}

@Test("Room that readers held back is given back by the next compaction, which says so")
func spaceAfterReaders() throws {
    let archive = try TestArchive()
    var history = try RandomHistory(seed: 12, path: archive.path)
    try history.grow(commits: 60)
    do {
        let snapshot = try ArchiveReader.open(path: archive.path).snapshot()
        let writer = try ArchiveWriter.open(path: archive.path, busyTimeout: 0.1)
        #expect(try writer.prune(RetentionPolicy(last: 1)).compaction?.awaitsReaders == true)
        try writer.close()
        withExtendedLifetime(snapshot) {}
    }
    let held = FileState.size(archive.path)
    let writer = try ArchiveWriter.open(path: archive.path)
    let report = try writer.compact()
    try writer.close()
    #expect(!report.isEmpty && !report.awaitsReaders)
    #expect(report.sizeAfter < report.sizeBefore && report.sizeBefore == held)
    #expect(FileState.size(archive.path) == report.sizeAfter)
}

@Test("Commits go on between the steps of a compaction")
func commitsDuringCompaction() throws {
    let archive = try TestArchive()
    var history = try RandomHistory(seed: 9, path: archive.path)
    try history.grow(commits: 80)
    let id = history.incarnation.id
    let writer = try ArchiveWriter.open(path: archive.path)
    var last = try #require(try writer.checkpoint(id)).resumeRevision
    var random = SeededGenerator(seed: 4)
    var added: [Revision] = []
    try writer.compact(limits: SegmentBuilder.Limits(entries: 20)) {
        last += 1
        added.append(last)
        let entry = Entry(
            revision: last,
            time: Timestamp(nanoseconds: Int64(last)),
            operation: .put,
            key: "added",
            value: random.bytes(10)
        )
        do {
            let segments = try TestArchive.segments([entry])
            let checkpoint = Checkpoint(resumeRevision: last, updated: entry.time)
            try writer.commit(segments, id, checkpoint: checkpoint)
        } catch {
            Issue.record(error)
        }
        return false
    }
    try writer.close()
    let reader = try ArchiveReader.open(path: archive.path)
    #expect(added.count > 1)
    #expect(try reader.verify().problems == [])
    #expect(try reader.history(of: "added", in: id).map(\.revision) == added)
}

@Test("Points are remembered densely for an hour, then by minutes, then by hours")
func pointSpacing() {
    let second: Int64 = 1_000_000_000
    let hour = 3600 * second
    func point(_ revision: Revision, _ time: Int64) -> ConsistentPoint {
        ConsistentPoint(revision: revision, time: Timestamp(nanoseconds: time))
    }
    let now = 1000 * hour
    let points = [
        point(1, now - 200 * hour), point(2, now - 200 * hour + 60 * second), point(3, now - 199 * hour),
        point(4, now - 2 * hour), point(5, now - 2 * hour + 30 * second), point(6, now - 2 * hour + 60 * second),
        point(7, now - hour), point(8, now - hour + second), point(9, now - second), point(10, now),
    ]
    #expect(PointSpacing.superfluous(points).map(\.revision) == [1, 4])
    #expect(PointSpacing.superfluous([]) == [])
    let dense = (0..<7200).map { point(UInt64($0) + 1, now + Int64($0) * second) }
    #expect(dense.count - PointSpacing.superfluous(dense).count == 3601 + 59)
}
