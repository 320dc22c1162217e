import Foundation
import GRDB
import KVModel
import Schedule
import Testing

@testable import Archive

/// What an archive holds of a bucket, segment by segment.
private func held(_ path: String, _ id: IncarnationID) throws -> [ClosedRange<Revision>: [Entry]] {
    let reader = try ArchiveReader.open(path: path)
    let snapshot = try reader.snapshot()
    return try snapshot.read { db in
        let incarnation = try db.incarnation(id)
        var result: [ClosedRange<Revision>: [Entry]] = [:]
        for row in try db.segments(of: incarnation) {
            var kept = KeptSegment(row)
            for index in 0..<row.header.count { kept.insert(index) }
            let (segment, values) = try db.columnsAndValues(of: row, incarnation)
            let run = DecodedRun(kept, segment, values: values, of: incarnation, path: path, after: 0)
            var entries: [Entry] = []
            try run.forEachEntry { entries.append(Entry($0)) }
            result[row.header.firstRevision...row.header.lastRevision] = entries
        }
        return result
    }
}

/// The segments of which a damaged file still holds row and blobs unchanged, found without `ArchiveRepair`: SQLite reads
/// them one by one, as far as it can.
private func intact(_ path: String, _ whole: [ClosedRange<Revision>: [Entry]]) -> Set<ClosedRange<Revision>> {
    var found: Set<ClosedRange<Revision>> = []
    var configuration = Configuration()
    configuration.readonly = true
    guard let database = try? DatabaseQueue(path: path, configuration: configuration) else { return [] }
    for ordinal in 0..<whole.count {
        let row = try? database.read { db -> SegmentRow? in
            let sql = "SELECT \(SegmentRow.columns) FROM segment WHERE ordinal = ?"
            guard let row = try db.rows(sql, [ordinal]).first.map({ try SegmentRow($0, previous: []) }) else {
                return nil
            }
            let blobs = try db.unchecked(SegmentBlob.allCases, of: row)
            for (blob, data) in zip(SegmentBlob.allCases, blobs) { try row.parts.check(blob, data) }
            guard try DecodedSegment(body: blobs[0]).header == row.header else { return nil }
            return row
        }
        guard let header = (row ?? nil)?.header else { continue }
        found.insert(header.firstRevision...header.lastRevision)
    }
    return found
}

/// Commands that read must give right answers or errors, and a repair must lose nothing that is whole.
private func examine(
    _ archive: borrowing TestArchive,
    _ id: IncarnationID,
    _ whole: [ClosedRange<Revision>: [Entry]],
    _ proofs: [Revision: StateDigest],
    _ summary: ArchiveSummary,
    _ what: String
) throws {
    let last = proofs.keys.max() ?? 0
    let names = Set(whole.values.joined().map(\.key)).sorted()
    do {
        let reader = try ArchiveReader.open(path: archive.path)
        let isSound = try reader.verify().isSound
        let seen = try reader.summary()
        #expect(seen.runs == summary.runs, "\(what)")
        #expect(seen.buckets.map(\.tags) == summary.buckets.map(\.tags), "\(what)")
        let checkpoint = seen.buckets.map(\.checkpoint) == summary.buckets.map(\.checkpoint)
        let configurations = seen.buckets.map(\.configurations) == summary.buckets.map(\.configurations)
        // These two are shown without being checked; what is made of them is.
        #expect(!isSound || checkpoint && configurations, "\(what)")
        for (revision, proof) in proofs {
            let digest = try reader.digest(of: id, at: revision)
            #expect(digest == proof, "\(what): another state of revision \(revision)")
        }
        let keys = try reader.keys(of: id, at: last)
        _ = try reader.latest(names[0], in: id)
        let history = try reader.history(of: names[0], in: id)
        #expect(history.count == whole.values.joined().count { $0.key == names[0] }, "\(what)")
        #expect(!keys.isEmpty)
    } catch let error as ArchiveError {
        // What fails for a reader must be reported; what cannot be opened cannot be verified either.
        if let reader = try? ArchiveReader.open(path: archive.path), let report = try? reader.verify() {
            #expect(!report.isSound, "\(what): \(error) and verification found nothing")
        }
    }
    let target = archive.directory + "/saved.cistern"
    defer { for suffix in ["", "-wal", "-shm"] { unlink(target + suffix) } }
    do {
        let report = try ArchiveRepair.run(path: archive.path, to: target)
        let bucket = try #require(report.buckets.first { $0.incarnation.id == id }, "\(what)")
        let saved = try held(target, id)
        for range in intact(archive.path, whole) {
            #expect(saved[range] == whole[range], "\(what): revisions \(range) were not saved")
        }
        for (range, entries) in saved { #expect(whole[range] == entries, "\(what): \(range)") }
        // Every revision is either here or said to be lost.
        let missing = whole.filter { saved[$0.key] == nil }.values.joined().map(\.revision)
        for revision in missing {
            let isSaid =
                bucket.lost.contains { $0.contains(revision) } || (bucket.unknownAfter ?? .max) < revision
            #expect(isSaid, "\(what): revision \(revision) is missing, and nobody says so")
        }
        let reader = try ArchiveReader.open(path: target)
        for (revision, proof) in proofs {
            guard let digest = try? reader.digest(of: id, at: revision) else {
                #expect(!missing.isEmpty || !report.isWhole, "\(what): revision \(revision) is refused")
                continue
            }
            #expect(digest == proof, "\(what): another state of revision \(revision) after the repair")
        }
    } catch let error as ArchiveError {
        #expect(intact(archive.path, whole).isEmpty, "\(what): \(error)")
    }
}

/// A golden archive of everything: points, a prune, tags, merged and small segments.
private func fill(_ archive: borrowing TestArchive) throws -> RandomHistory {
    var history = try RandomHistory(seed: 21, path: archive.path)
    try history.grow(commits: 30)
    let writer = try ArchiveWriter.open(path: archive.path)
    try writer.prune(RetentionPolicy(last: 4, keepsTags: true), limits: SegmentBuilder.Limits(entries: 10))
    try writer.close()
    try history.grow(commits: 12)
    return history
}

private func proofs(_ archive: borrowing TestArchive, _ id: IncarnationID) throws -> [Revision: StateDigest] {
    let reader = try ArchiveReader.open(path: archive.path)
    let points = try reader.snapshot().read { try $0.points(id).map(\.point.revision) }
    let chosen = points.enumerated().filter { $0.offset % 4 == 0 }.map(\.element) + points.suffix(1)
    return try chosen.reduce(into: [:]) { $0[$1] = try reader.digest(of: id, at: $1) }
}

@Test("A repair of a sound archive loses nothing, and says so")
func repairOfSoundArchive() throws {
    let archive = try TestArchive()
    let history = try fill(archive)
    let id = history.incarnation.id
    let whole = try held(archive.path, id)
    let before = try ArchiveReader.open(path: archive.path).summary()
    let target = archive.directory + "/saved.cistern"
    let report = try ArchiveRepair.run(path: archive.path, to: target)
    #expect(report.isWhole && report.buckets.count == 1)
    #expect(try held(target, id) == whole)
    let reader = try ArchiveReader.open(path: target)
    #expect(try reader.verify().problems == [])
    let after = try reader.summary()
    #expect(after.buckets[0].tags == before.buckets[0].tags)
    #expect(after.buckets[0].configurations == before.buckets[0].configurations)
    #expect(after.buckets[0].checkpoint == before.buckets[0].checkpoint)
    #expect(after.runs.map(\.kind) == before.runs.map(\.kind) + ["repair"])
    for (revision, proof) in try proofs(archive, id) { #expect(try reader.digest(of: id, at: revision) == proof) }
    #expect(throws: ArchiveError.self) { try ArchiveRepair.run(path: archive.path, to: target) }
}

@Test("Single changed bytes: right answers or reported errors, and a repair loses no intact segment", arguments: 0..<4)
func changedBytes(part: Int) throws {
    var random = SeededGenerator(seed: UInt64(part) + 400)
    let archive = try TestArchive()
    let history = try fill(archive)
    let id = history.incarnation.id
    let whole = try held(archive.path, id)
    let proofs = try proofs(archive, id)
    let summary = try ArchiveReader.open(path: archive.path).summary()
    let bytes = try Data(contentsOf: URL(fileURLWithPath: archive.path))
    for round in 0..<(isLongRun ? 2500 : 12) {
        var damaged = bytes
        // Half of the changes hit the first page or a page's head, where they do most.
        let page = Int.random(in: 0..<bytes.count / ArchiveFormat.pageSize, using: &random)
        let within = Int.random(in: 0..<(round % 2 == 0 ? ArchiveFormat.pageSize : 40), using: &random)
        let index = page * ArchiveFormat.pageSize + within
        damaged[index] ^= 1 << UInt8.random(in: 0...7, using: &random)
        try damaged.write(to: URL(fileURLWithPath: archive.path))
        try examine(archive, id, whole, proofs, summary, "part \(part), byte \(index)")
    }
}

@Test("Truncations: right answers or reported errors, and a repair loses no intact segment", arguments: 0..<2)
func truncations(part: Int) throws {
    var random = SeededGenerator(seed: UInt64(part) + 500)
    let archive = try TestArchive()
    let history = try fill(archive)
    let id = history.incarnation.id
    let whole = try held(archive.path, id)
    let proofs = try proofs(archive, id)
    let summary = try ArchiveReader.open(path: archive.path).summary()
    let bytes = try Data(contentsOf: URL(fileURLWithPath: archive.path))
    for _ in 0..<(isLongRun ? 500 : 8) {
        let length = Int.random(in: 0..<bytes.count, using: &random)
        try bytes.prefix(length).write(to: URL(fileURLWithPath: archive.path))
        try examine(archive, id, whole, proofs, summary, "part \(part), \(length) bytes left")
    }
}

@Test("After a loss, states that may need it are refused unless the loss is accepted")
func lossIsRemembered() throws {
    var random = SeededGenerator(seed: 6)
    let entries = random.entries(60, keys: 8)
    let archive = try TestArchive()
    let incarnation = try archive.fill(entries, perSegment: 20, consistentTime: entries.last?.time)
    try archive.tamper("UPDATE segment_data SET body = zeroblob(length(body)) WHERE id = 2")
    let target = archive.directory + "/saved.cistern"
    let report = try ArchiveRepair.run(path: archive.path, to: target)
    let lost = entries[19].revision + 1...entries[40].revision - 1
    #expect(report.buckets[0].lost == [lost])
    #expect(report.buckets[0].refusedPoints.map(\.revision) == [entries[59].revision])
    let reader = try ArchiveReader.open(path: target)
    #expect(throws: ArchiveError.self) { try reader.resolve(.newest, in: incarnation.id) }
    #expect(throws: ArchiveError.self) { try reader.state(of: incarnation.id, at: entries[59].revision) }
    #expect(try reader.state(of: incarnation.id, at: entries[19].revision).entries > 0)
    #expect(
        try reader.verify().problems.map(\.detail) == ["revisions \(lost.lowerBound) to \(lost.upperBound) are lost"]
    )
    let accepted = archive.directory + "/accepted.cistern"
    let again = try ArchiveRepair.run(path: archive.path, to: accepted, acceptsLoss: true)
    #expect(again.buckets[0].lost == [lost])
    let other = try ArchiveReader.open(path: accepted)
    #expect(try other.verify().problems == [])
    let state = try other.state(of: incarnation.id, at: entries[59].revision, historyMode: .full)
    #expect(try TestArchive.entries(state) == Array(entries.prefix(20) + entries.suffix(20)))
}

@Test("A log beside a damaged file counts as SQLite counts it")
func repairWithLog() throws {
    let archive = try TestArchive()
    var history = try RandomHistory(seed: 30, path: archive.path)
    try history.grow(commits: 10)
    let id = history.incarnation.id
    let writer = try ArchiveWriter.open(path: archive.path)
    try writer.tag("logged", id, revision: history.points[0].revision, at: Timestamp(nanoseconds: 1))
    let copy = archive.directory + "/copy.cistern"
    for suffix in ["", "-wal"] {
        try FileManager.default.copyItem(atPath: archive.path + suffix, toPath: copy + suffix)
    }
    try writer.close()
    let target = archive.directory + "/saved.cistern"
    #expect(try ArchiveRepair.run(path: copy, to: target).isWhole)
    let tags = try ArchiveReader.open(path: target).tags(of: id)
    #expect(tags.contains { $0.name == "logged" })
    #expect(try held(target, id) == held(archive.path, id))
}
