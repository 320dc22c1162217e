import Foundation
import GRDB
import KVModel
import Testing

@testable import Archive

private func proofs(_ archive: borrowing TestArchive, _ id: IncarnationID) throws -> [Revision: StateDigest] {
    try GoldenArchive.proofs(ArchiveReader.open(path: archive.path), id)
}

@Test("A repair of a sound archive loses nothing, and says so")
func repairOfSoundArchive() throws {
    let archive = try TestArchive()
    let history = try GoldenArchive.fill(archive, key: nil)
    let id = history.incarnation.id
    let whole = try GoldenArchive.held(archive.path, id)
    let before = try ArchiveReader.open(path: archive.path).summary()
    let target = archive.directory + "/saved.cistern"
    let report = try ArchiveRepair.run(path: archive.path, to: target)
    #expect(report.isWhole && report.buckets.count == 1)
    #expect(try GoldenArchive.held(target, id) == whole)
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

/// How many of 10,000 changed bytes and of 1,000 truncations one case of the tests below takes: a few, or all.
private enum Damages {
    static let cases = (0..<4).flatMap { [(part: $0, isEncrypted: false), (part: $0, isEncrypted: true)] }
    static let bytes = isLongRun ? 2500 : 8
    static let truncations = isLongRun ? 250 : 3

    /// Says what came of them, which is of interest after a long run.
    static func tell(_ outcomes: [GoldenArchive.Outcome], _ what: String) {
        guard isLongRun else { return }
        let counts = [GoldenArchive.Outcome.harmless, .reported, .unopened].map { outcome in
            "\(outcomes.count { $0 == outcome }) \(outcome)"
        }
        print("\(what): \(outcomes.count) damages: \(counts.joined(separator: ", "))")
    }
}

@Test(
    "Single changed bytes: right answers or reported errors, and a repair loses no intact segment",
    arguments: Damages.cases
)
func changedBytes(part: Int, isEncrypted: Bool) throws {
    var random = SeededGenerator(seed: UInt64(part) + 400)
    let golden = try GoldenArchive.make(isEncrypted: isEncrypted)
    var outcomes: [GoldenArchive.Outcome] = []
    for round in 0..<Damages.bytes {
        var damaged = golden.bytes
        // Half of the changes hit a page's head, where they do most.
        let page = Int.random(in: 0..<damaged.count / ArchiveFormat.pageSize, using: &random)
        let within = Int.random(in: 0..<(round % 2 == 0 ? ArchiveFormat.pageSize : 40), using: &random)
        let index = page * ArchiveFormat.pageSize + within
        damaged[index] ^= 1 << UInt8.random(in: 0...7, using: &random)
        outcomes.append(try golden.examine(damaged, "part \(part), byte \(index)"))
    }
    Damages.tell(outcomes, "changed bytes, part \(part), \(isEncrypted ? "encrypted" : "plain")")
}

@Test(
    "Truncations: right answers or reported errors, and a repair loses no intact segment",
    arguments: Damages.cases
)
func truncations(part: Int, isEncrypted: Bool) throws {
    var random = SeededGenerator(seed: UInt64(part) + 500)
    let golden = try GoldenArchive.make(isEncrypted: isEncrypted)
    var outcomes: [GoldenArchive.Outcome] = []
    for _ in 0..<Damages.truncations {
        let length = Int.random(in: 0..<golden.bytes.count, using: &random)
        outcomes.append(try golden.examine(golden.bytes.prefix(length), "part \(part), \(length) bytes left"))
    }
    Damages.tell(outcomes, "truncations, part \(part), \(isEncrypted ? "encrypted" : "plain")")
}

@Test("What stands in place of a row's number is read by nobody, and keeps nothing from being saved")
func rowNumbers() throws {
    let golden = try GoldenArchive.make(isEncrypted: false)
    let archive = try TestArchive()
    try golden.bytes.write(to: URL(fileURLWithPath: archive.path))
    let scanner = RowScanner(try PageFile(path: archive.path), try TableShape.all())
    let size = ArchiveFormat.pageSize
    var tables: Set<String> = []
    for number in 2...golden.bytes.count / size {
        let page = Array(golden.bytes[(number - 1) * size..<number * size])
        guard let cells = PageCells(page, number), cells.kind == .leafTable else { continue }
        for start in cells.starts {
            guard let table = try scanner.row(page, at: start)?.table, table.columns.first?.kind == .rowid,
                tables.insert(table.name).inserted
            else { continue }
            // The sizes of the row and of its head, and the row's number, come first.
            var position = start
            for _ in 0..<3 { _ = PageCells.varint(page, &position) }
            var damaged = golden.bytes
            #expect(damaged[(number - 1) * size + position] == 0)
            damaged[(number - 1) * size + position] = 8
            #expect(try golden.examine(damaged, table.name) == .harmless)
        }
    }
    #expect(tables.isSuperset(of: ["segment", "segment_data", "configuration", "checkpoint"]), "\(tables)")
}

/// An archive of ten segments, one of whose rows was changed behind its back, and what a repair saves of it.
private struct RowRepair {
    let id: IncarnationID
    let report: RepairReport
    let whole: [ClosedRange<Revision>: [Entry]]
    let saved: [ClosedRange<Revision>: [Entry]]
    /// Of the segment whose row was changed.
    let revisions: ClosedRange<Revision>

    init(_ change: String, ordinal: Int, isEncrypted: Bool) throws {
        var random = SeededGenerator(seed: 61)
        let entries = random.entries(200)
        let key = isEncrypted ? try ArchiveKey.random() : nil
        let archive = try TestArchive()
        id = try archive.fill(entries, perSegment: 20, key: key).id
        whole = try GoldenArchive.held(archive.path, id, key: key)
        try archive.tamper("\(change) WHERE ordinal = \(ordinal)")
        let target = archive.directory + "/saved.cistern"
        report = try ArchiveRepair.run(path: archive.path, to: target)
        saved = try GoldenArchive.held(target, id, key: key)
        revisions = entries[ordinal * 20].revision...entries[ordinal * 20 + 19].revision
    }
}

@Test(
    "A segment's row with a changed number costs that segment at most, and no damaged one is saved",
    arguments: [
        "first_revision = first_revision - 40", "last_revision = last_revision + 40", "first_time = first_time + 1",
        "last_time = last_time - 64", "entry_count = entry_count + 1", "raw_size = raw_size + 1",
        "ordinal = ordinal + 90", "ordinal = ordinal - 9223372036854775800 - 8",
        "body_size = body_size + 1", "values_size = 0", "filter_size = filter_size + 4", "digest = zeroblob(32)",
    ],
    [false, true]
)
func changedRow(change: String, isEncrypted: Bool) throws {
    // Of these, everything but their place in the chain is what was written.
    let isIntact = ["digest", "ordinal", "body_size", "values_size", "filter_size"].contains { change.hasPrefix($0) }
    for damaged in [0, 3, 9] {
        let repair = try RowRepair("UPDATE segment SET \(change)", ordinal: damaged, isEncrypted: isEncrypted)
        let (whole, saved, range) = (repair.whole, repair.saved, repair.revisions)
        for (revisions, entries) in whole where revisions != range {
            #expect(saved[revisions] == entries, "segment \(damaged): revisions \(revisions)")
        }
        let lost = repair.report.buckets[0].lost
        if let kept = saved[range] {
            #expect(kept == whole[range])
        } else {
            #expect(lost.contains { $0.contains(range.lowerBound) && $0.contains(range.upperBound) }, "\(lost)")
        }
        #expect(saved[range] != nil || !isIntact, "segment \(damaged) is what was written")
        #expect(lost.isEmpty || !isIntact, "nothing is lost")
        #expect(saved.count == (saved[range] == nil ? 9 : 10))
    }
}

@Test("A segment whose row names no bucket goes to the one whose chain it belongs to", arguments: [false, true])
func strayRow(isEncrypted: Bool) throws {
    for damaged in [0, 3, 9] {
        let repair = try RowRepair(
            "PRAGMA foreign_keys = OFF; UPDATE segment SET incarnation = 0",
            ordinal: damaged,
            isEncrypted: isEncrypted
        )
        let report = repair.report
        #expect(report.isWhole && report.buckets.map(\.incarnation.id) == [repair.id], "segment \(damaged): \(report)")
        #expect(repair.saved == repair.whole)
    }
}

@Test("A segment is saved whatever damage made of its bucket's number: nothing, or a text", arguments: [false, true])
func unreadableBucketNumber(isEncrypted: Bool) throws {
    let golden = try GoldenArchive.make(isEncrypted: isEncrypted)
    let path = NSTemporaryDirectory() + "cistern-golden-\(UInt64.random(in: .min ... .max))"
    defer { unlink(path) }
    try golden.bytes.write(to: URL(fileURLWithPath: path))
    let file = try PageFile(path: path)
    let scanner = RowScanner(file, try TableShape.all())
    var places: [Int] = []
    for number in 1...file.pageCount {
        let page = try file.page(number)
        guard let cells = PageCells(page, number), cells.kind == .leafTable else { continue }
        for cell in cells.starts where try scanner.row(page, at: cell)?.table.name == "segment" {
            // The row's size and number, its head's size, and the type of its first column stand before it.
            var position = cell
            for _ in 0..<4 { _ = PageCells.varint(page, &position) }
            places.append((number - 1) * file.pageSize + position)
        }
    }
    try #require(places.count > 20)
    for (place, bit) in [(places[0], 1), (places[0], 2), (places[places.count / 2], 1), (places[places.count - 1], 2)] {
        var damaged = golden.bytes
        try #require(damaged[place] == 9, "the number 1")
        damaged[place] ^= 1 << UInt8(bit)
        try golden.examine(damaged, "byte \(place), bit \(bit)")
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

@Test("An encrypted archive is saved without its key, and reads with it as before")
func repairOfEncryptedArchive() throws {
    var random = SeededGenerator(seed: 16)
    let entries = random.entries(80, keys: 8)
    let archive = try TestArchive()
    let key = try ArchiveKey.random()
    let incarnation = try archive.fill(entries, perSegment: 20, consistentTime: entries.last?.time, key: key)
    let last = entries[79].revision
    let proof = try ArchiveReader.open(path: archive.path, key: key).digest(of: incarnation.id, at: last)
    let whole = archive.directory + "/whole.cistern"
    #expect(try ArchiveRepair.run(path: archive.path, to: whole).isWhole)
    let saved = try ArchiveReader.open(path: whole, key: key)
    #expect(try saved.verify().problems == [])
    #expect(try saved.digest(of: incarnation.id, at: last) == proof)
    let other = try ArchiveKey.random()
    #expect(throws: ArchiveError.self) { try ArchiveReader.open(path: whole, key: other) }
    #expect(throws: ArchiveError.self) {
        try ArchiveReader.open(path: whole).digest(of: incarnation.id, at: last)
    }

    // Damage takes one segment, and one of the two copies of the data key.
    try archive.tamper("UPDATE segment_data SET body = zeroblob(length(body)) WHERE id = 3")
    try archive.tamper("UPDATE data_key SET wrapped = zeroblob(length(wrapped))")
    let target = archive.directory + "/saved.cistern"
    let report = try ArchiveRepair.run(path: archive.path, to: target)
    let lost = entries[39].revision + 1...entries[60].revision - 1
    #expect(report.buckets[0].lost == [lost])
    let reader = try ArchiveReader.open(path: target, key: key)
    #expect(
        try reader.verify().problems.map(\.detail) == ["revisions \(lost.lowerBound) to \(lost.upperBound) are lost"]
    )
    #expect(throws: ArchiveError.self) { try reader.state(of: incarnation.id, at: last) }
    let state = try reader.state(of: incarnation.id, at: entries[39].revision, historyMode: .full)
    #expect(try TestArchive.entries(state) == Array(entries.prefix(40)))
    // Nothing was opened on the way: no key and no value is in the new files.
    let files = try [whole, target].map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
    let pieces = entries.filter { $0.value.count >= 16 && $0.value.count < 2000 }.map { Array($0.value.prefix(16)) }
    #expect(!pieces.isEmpty && !pieces.contains { Secrets.contains($0, files) })
    // The next backup goes on in it.
    let writer = try ArchiveWriter.open(path: whole, key: key)
    #expect(try writer.checkpoint(incarnation.id)?.resumeRevision == last)
    try writer.close()
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
    #expect(try GoldenArchive.held(target, id) == GoldenArchive.held(archive.path, id))
}
