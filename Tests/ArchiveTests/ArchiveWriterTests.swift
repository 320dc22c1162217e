import Archive
import Foundation
import KVModel
import Synchronization
import Testing

@Test("An incarnation is found again by cluster, bucket and creation time; the latest is by that time")
func incarnations() throws {
    let archive = try TestArchive()
    let writer = try ArchiveWriter.open(path: archive.path, createIfMissing: true)
    let bucket = try BucketName("b")
    let second = try writer.incarnation(cluster: "east", bucket: bucket, created: "2026-02-01T00:00:00.5Z")
    let first = try writer.incarnation(cluster: "east", bucket: bucket, created: "2026-01-01T00:00:00Z")
    let west = try writer.incarnation(cluster: "west", bucket: bucket, created: "2026-03-01T00:00:00Z")
    #expect(try writer.incarnation(cluster: "east", bucket: bucket, created: "2026-02-01T00:00:00.5Z") == second)
    #expect(try writer.latestIncarnation(cluster: "east", bucket: bucket) == second)
    #expect(try writer.latestIncarnation(cluster: "south", bucket: bucket) == nil)
    try writer.close()
    let reader = try ArchiveReader.open(path: archive.path)
    #expect(try reader.incarnations() == [second, first, west])
    #expect(try reader.latestIncarnation(bucket: bucket) == west)
    #expect(try reader.latestIncarnation(bucket: bucket, cluster: "east") == second)
}

@Test("Segments must follow the resume revision; what does not is refused whole")
func order() throws {
    var random = SeededGenerator(seed: 5)
    let entries = random.entries(90)
    let archive = try TestArchive()
    let segments = try TestArchive.segments(entries, perSegment: 30)
    let writer = try ArchiveWriter.open(path: archive.path, createIfMissing: true)
    let incarnation = try writer.incarnation(cluster: "c", bucket: BucketName("b"), created: "x")
    func checkpoint(_ resume: Revision, consistent: Revision? = nil) -> Checkpoint {
        Checkpoint(resumeRevision: resume, consistentRevision: consistent, updated: Timestamp(nanoseconds: 1))
    }
    func refused(_ segments: [EncodedSegment], _ checkpoint: Checkpoint) throws {
        let before = try writer.checkpoint(incarnation.id)
        do {
            try writer.commit(segments, incarnation.id, checkpoint: checkpoint)
            Issue.record("\(checkpoint) was taken")
        } catch let error as ArchiveError {
            guard case .chainBroken = error.code else { throw error }
        }
        #expect(try writer.checkpoint(incarnation.id) == before)
    }
    #expect(try writer.checkpoint(incarnation.id) == nil)
    let ends = segments.map(\.lastRevision)
    try refused([segments[0]], checkpoint(ends[0] - 1))
    try refused([segments[1], segments[0]], checkpoint(ends[2]))
    try refused([segments[0], segments[0]], checkpoint(ends[2]))
    try refused([], checkpoint(5, consistent: 6))
    try writer.commit([segments[0]], incarnation.id, checkpoint: checkpoint(ends[0], consistent: ends[0]))
    try refused([segments[0]], checkpoint(ends[2]))
    try refused([], checkpoint(ends[0] - 1))
    try refused([], checkpoint(ends[0], consistent: ends[0] - 1))
    try writer.commit([segments[1], segments[2]], incarnation.id, checkpoint: checkpoint(ends[2] + 5))
    // A checkpoint that proves nothing new keeps what was proved.
    #expect(try writer.checkpoint(incarnation.id) == checkpoint(ends[2] + 5, consistent: ends[0]))
    try writer.close()
    let reader = try ArchiveReader.open(path: archive.path)
    #expect(try reader.segments(of: incarnation.id).map(\.entries) == [30, 30, 30])
    #expect(try reader.verify().problems == [])
}

@Test("The audit trail keeps runs that ended and runs that did not")
func runs() throws {
    let archive = try TestArchive()
    let incarnation = try archive.fill([])
    let writer = try ArchiveWriter.open(path: archive.path)
    func time(_ number: Int64) -> Timestamp { Timestamp(nanoseconds: number) }
    let first = try writer.beginRun(kind: "backup", incarnation: incarnation.id, fromRevision: 1, at: time(1))
    let second = try writer.beginRun(kind: "restore", at: time(2))
    _ = try writer.beginRun(kind: "verify", at: time(3))
    try writer.finishRun(first, outcome: .succeeded, toRevision: 9, entries: 8, bytes: 7, at: time(4))
    try writer.finishRun(second, outcome: .failed, incarnation: incarnation.id, error: "why", at: time(5))
    #expect(throws: ArchiveError.self) { try writer.finishRun(RunID(rawValue: 77), outcome: .stopped, at: time(6)) }
    try writer.close()
    let runs = try ArchiveReader.open(path: archive.path).runs()
    #expect(runs.map(\.outcome) == [.succeeded, .failed, .unfinished])
    #expect(runs.map(\.finished) == [time(4), time(5), nil])
    #expect(runs[0].toRevision == 9 && runs[0].entries == 8 && runs[0].bytes == 7 && runs[0].fromRevision == 1)
    #expect(runs[1].error == "why" && runs[1].incarnation == incarnation.id)
}

@Test("A summary counts what was written")
func summary() throws {
    var random = SeededGenerator(seed: 6)
    let entries = random.entries(90)
    let archive = try TestArchive()
    let incarnation = try archive.fill(entries, perSegment: 40)
    let summary = try ArchiveReader.open(path: archive.path).summary()
    let bucket = try #require(summary.buckets.first)
    #expect(summary.format == 1 && summary.path == archive.path && summary.fileSize > 0)
    #expect(bucket.incarnation == incarnation && bucket.segments == 3 && bucket.entries == 90)
    #expect(bucket.firstRevision == entries[0].revision && bucket.lastRevision == entries[89].revision)
    let raw = entries.reduce(0) { $0 + $1.key.bytes.count + $1.headers.count + $1.value.count }
    #expect(bucket.rawBytes == raw && bucket.storedBytes > 0)
    #expect(bucket.configurations.map(\.json) == [#"{"max_msgs_per_subject":64}"#])
    #expect(bucket.checkpoint?.consistentRevision == entries[89].revision)
}

@Test("Readers see whole commits while a writer writes")
func readersWhileWriting() throws {
    var random = SeededGenerator(seed: 8)
    let entries = random.entries(2000, keys: 50, valueBytes: 300)
    let segments = try TestArchive.segments(entries, perSegment: 20)
    let archive = try TestArchive()
    let incarnation = try archive.fill([])
    let path = archive.path
    let isDone = Mutex(false)
    let failure = Mutex<(any Error)?>(nil)
    let writing = Thread {
        do {
            let writer = try ArchiveWriter.open(path: path)
            for segment in segments {
                let last = segment.lastRevision
                let point = Checkpoint(
                    resumeRevision: last,
                    consistentRevision: last,
                    updated: Timestamp(nanoseconds: 1)
                )
                try writer.commit([segment], incarnation.id, checkpoint: point)
            }
            try writer.close()
        } catch {
            failure.withLock { $0 = error }
        }
        isDone.withLock { $0 = true }
    }
    writing.start()
    let reader = try ArchiveReader.open(path: path)
    var counts: Set<Int> = []
    while true {
        let last = isDone.withLock { $0 }
        let bucket = try #require(try reader.summary().buckets.first)
        #expect(bucket.entries % 20 == 0)
        counts.insert(bucket.entries)
        let resume = bucket.checkpoint?.resumeRevision ?? 0
        #expect(bucket.lastRevision ?? 0 == resume)
        let full = try reader.state(of: incarnation.id, at: resume, historyMode: .full)
        #expect(full.entries == bucket.entries)
        #expect(try reader.verify().problems == [])
        if last { break }
    }
    try failure.withLock { if let error = $0 { throw error } }
    #expect(counts.contains(2000))
}
