import Foundation
import KVModel
import Schedule
import Testing

@testable import Archive

private func randomPolicy(_ random: inout SeededGenerator) -> RetentionPolicy {
    var policy = RetentionPolicy(last: Int.random(in: 0...4, using: &random))
    if Bool.random(using: &random) { policy.within = Int64.random(in: 0...3_000_000_000_000, using: &random) }
    policy.hourly = Int.random(in: 0...2, using: &random)
    policy.daily = Int.random(in: 0...2, using: &random)
    policy.keepsTags = Bool.random(using: &random)
    if policy.isEmpty { policy.last = 1 }
    return policy
}

/// What is seen at every point, and at some revisions after a point from which everything stays.
private func look(
    _ reader: ArchiveReader,
    _ history: RandomHistory,
    _ plan: PruneReport
) throws -> [Revision: SeenState] {
    let id = history.incarnation.id
    let bucket = try #require(plan.buckets.first { $0.incarnation.id == id })
    let kept = bucket.points.filter(\.isKept).map(\.point.revision)
    let later = history.entries.map(\.revision).filter { $0 > bucket.exactFrom }.enumerated()
        .filter { $0.offset % 9 == 0 }.map(\.element)
    var seen: [Revision: SeenState] = [:]
    for revision in kept + later { seen[revision] = try SeenState(reader, id, revision) }
    return seen
}

@Test(
    "Every kept point is exactly what it was, whatever the policy and however often",
    // The last two have sightings of entries behind which others were kept.
    arguments: isLongRun ? Array(0..<300) : Array(0..<12) + [147, 276]
)
func pruneKeepsPoints(seed: Int) throws {
    var random = SeededGenerator(seed: UInt64(seed) + 1000)
    let archive = try TestArchive()
    // Every other archive is encrypted.
    let key = seed % 2 == 0 ? nil : try ArchiveKey.random()
    var history = try RandomHistory(seed: UInt64(seed), path: archive.path, key: key)
    for round in 0..<3 {
        try history.grow(commits: 16)
        let policy = randomPolicy(&random)
        let reader = try ArchiveReader.open(path: archive.path, key: key)
        let plan = try reader.prunePlan(policy)
        guard !plan.buckets.isEmpty else { continue }
        let before = try look(reader, history, plan)
        let id = history.incarnation.id
        let past = try Set(history.entries.map(\.key)).reduce(into: [:]) { past, key in
            past[key] = try reader.history(of: key, in: id)
        }

        let writer = try ArchiveWriter.open(path: archive.path, key: key)
        let done = try writer.prune(policy)
        #expect(done.buckets == plan.buckets)
        try writer.close()

        let after = try ArchiveReader.open(path: archive.path, key: key)
        for (revision, state) in before {
            let now = try SeenState(after, id, revision)
            #expect(now == state, "seed \(seed), round \(round), revision \(revision)")
        }
        #expect(try after.verify().problems == [])
        // What is gone is refused, not answered wrongly.
        for point in plan.buckets[0].droppedPoints {
            #expect(throws: ArchiveError.self) { try after.state(of: id, at: point.point.revision) }
            #expect(throws: ArchiveError.self) { try after.resolve(.revision(point.point.revision), in: id) }
        }
        let gone = Set(plan.buckets[0].droppedTags.map(\.name))
        #expect(try after.tags(of: id).allSatisfy { !gone.contains($0.name) })
        // The history of a key is what is left of it.
        var left = 0
        for (key, entries) in past {
            let now = try after.history(of: key, in: id)
            #expect(now.allSatisfy { entries.contains($0) })
            left += now.count
        }
        #expect(left == past.values.reduce(0) { $0 + $1.count } - plan.buckets[0].droppedEntries)
        let again = try after.prunePlan(policy)
        #expect(again.isEmpty)
        #expect(try after.compactionPlan().isEmpty)
    }
}

@Test("What a sighting had kept stays when a prune finds the sighted entry gone")
func pruneAfterSighting() throws {
    func seconds(_ count: Int64) -> Timestamp { Timestamp(nanoseconds: count * 1_000_000_000) }
    func entry(_ revision: Revision, _ key: Key, at time: Int64) -> Entry {
        Entry(revision: revision, time: seconds(time), operation: .put, key: key, headers: [], value: [1])
    }
    let archive = try TestArchive()
    // With a history of one, 1 kept 2 from being dropped for 3: it was seen there, and the oldest go first.
    let first = [entry(1, "k", at: 0), entry(2, "k", at: 15), entry(3, "k", at: 20)]
    let configuration = #"{"max_msgs_per_subject":1}"#
    let id = try archive.fill(first, configuration: configuration, consistentTime: seconds(20)).id
    let writer = try ArchiveWriter.open(path: archive.path)
    try writer.recordSightings(id, [1...1], at: ConsistentPoint(revision: 3, time: seconds(20)))
    func commit(_ entries: [Entry]) throws {
        let last = try #require(entries.last)
        try writer.commit(
            TestArchive.segments(entries),
            id,
            checkpoint: Checkpoint(
                resumeRevision: last.revision,
                consistentRevision: last.revision,
                consistentTime: last.time,
                updated: last.time
            )
        )
    }
    try commit([entry(4, "other", at: 110)])
    try writer.recordRemovals(id, [1...1], seenAt: 4, time: seconds(111))
    try commit([entry(5, "another", at: 130)])
    try commit([entry(6, "next", at: 140)])
    func held(_ revision: Revision) throws -> [Revision] {
        try TestArchive.entries(writer.reader().state(of: id, at: revision)).map(\.revision)
    }
    let before = try [held(5), held(6)]
    #expect(before == [[2, 3, 4, 5], [2, 3, 4, 5, 6]])
    try writer.prune(RetentionPolicy(within: 15_000_000_000, last: 1))
    #expect(try [held(5), held(6)] == before)
    try writer.close()
}

@Test("A time is answered only where what was then is known")
func pruneAndTimes() throws {
    let archive = try TestArchive()
    var history = try RandomHistory(seed: 7, path: archive.path)
    try history.grow(commits: 20, tags: false)
    let id = history.incarnation.id
    let reader = try ArchiveReader.open(path: archive.path)
    let times = (history.entries.map(\.time) + history.points.map(\.time)).enumerated()
        .filter { $0.offset % 3 == 0 }.map(\.element)
    let before = try times.map { try SeenState(reader, id, reader.resolve(.time($0), in: id)).entries }
    let writer = try ArchiveWriter.open(path: archive.path)
    try writer.prune(RetentionPolicy(last: 4))
    try writer.close()
    var answered = 0
    for (time, entries) in zip(times, before) {
        guard let revision = try? reader.resolve(.time(time), in: id) else { continue }
        answered += 1
        let state = try reader.state(of: id, at: revision, asOf: nil)
        // Expiry is reckoned as of the point, not of the time asked for: entries may only have aged away since.
        let held = try TestArchive.entries(state)
        #expect(held.allSatisfy { entries.contains($0) || $0.headers.count > 0 })
    }
    #expect(answered > 0 && answered < times.count)
}

@Test("A prune makes the file smaller")
func pruneShrinks() throws {
    let archive = try TestArchive()
    var random = SeededGenerator(seed: 3)
    let entries = random.entries(4000, keys: 20, valueBytes: 400)
    try archive.fill(entries, perSegment: 500, consistentTime: entries.last?.time)
    let before = FileState.size(archive.path)
    let writer = try ArchiveWriter.open(path: archive.path)
    let report = try writer.prune(RetentionPolicy(last: 1))
    try writer.close()
    #expect(report.buckets[0].droppedEntries > 2000)
    #expect(FileState.size(archive.path) * 2 < before)
    #expect(report.compaction?.sizeAfter == FileState.size(archive.path))
}

@Test("A prune of one bucket leaves the others alone; one that keeps nothing is refused")
func pruneOfOneBucket() throws {
    let archive = try TestArchive()
    var one = try RandomHistory(seed: 1, path: archive.path)
    try one.grow(commits: 30)
    var other = try RandomHistory(seed: 2, path: archive.path, bucket: "sessions")
    try other.grow(commits: 30)
    let reader = try ArchiveReader.open(path: archive.path)
    let before = try reader.digest(of: other.incarnation.id, at: other.points[0].revision)
    let writer = try ArchiveWriter.open(path: archive.path)
    let report = try writer.prune(RetentionPolicy(last: 1), bucket: BucketName("orders"))
    #expect(throws: ArchiveError.self) { try writer.prune(RetentionPolicy()) }
    try writer.close()
    #expect(report.buckets.map(\.incarnation.bucket.rawValue) == ["orders"])
    #expect(try reader.digest(of: other.incarnation.id, at: other.points[0].revision) == before)
    #expect(throws: ArchiveError.self) { try reader.state(of: one.incarnation.id, at: one.points[0].revision) }
}

@Test("Whoever reads a state while it is pruned reads it to its end")
func readerDuringPrune() throws {
    let archive = try TestArchive()
    var history = try RandomHistory(seed: 11, path: archive.path)
    try history.grow(commits: 60)
    let id = history.incarnation.id
    let revision = history.points[history.points.count / 2].revision
    let reader = try ArchiveReader.open(path: archive.path)
    let expected = try TestArchive.entries(reader.state(of: id, at: revision, historyMode: .full))
    var cursor = try reader.state(of: id, at: revision, historyMode: .full).makeCursor()
    var read: [Entry] = []
    try #require(try cursor.next()).forEachEntry { read.append(Entry($0)) }
    let writer = try ArchiveWriter.open(path: archive.path, busyTimeout: 0.1)
    let report = try writer.prune(RetentionPolicy(last: 1))
    #expect(report.compaction?.awaitsReaders == true)
    try writer.close()
    while let run = try cursor.next() { try run.forEachEntry { read.append(Entry($0)) } }
    #expect(read == expected)
    #expect(throws: ArchiveError.self) { try reader.state(of: id, at: revision) }
}

@Test("What is written down of points is checked")
func damagedPoints() throws {
    for (sql, says) in [
        ("UPDATE held SET runs = x'0000'", "is not what was written"),
        ("DELETE FROM held", "is not complete"),
        ("UPDATE point SET time = time + 1", "is not what was written"),
        ("UPDATE checkpoint SET exact_from = 0", "is not what was written"),
        ("DELETE FROM point", "is missing"),
    ] {
        let archive = try TestArchive()
        var history = try RandomHistory(seed: 5, path: archive.path)
        try history.grow(commits: 40)
        let writer = try ArchiveWriter.open(path: archive.path)
        try writer.prune(RetentionPolicy(last: 3))
        try writer.close()
        try archive.tamper(sql)
        let reader = try ArchiveReader.open(path: archive.path)
        let problems = try reader.verify().problems.map(\.description)
        #expect(problems.contains { $0.contains(says) }, "\(sql): \(problems)")
        let last = try #require(history.points.last).revision
        #expect(throws: ArchiveError.self) { try reader.state(of: history.incarnation.id, at: last) }
    }
}
