import Foundation
import GRDB
import KVModel
import Testing

@testable import Archive

@Test("A changed byte anywhere in a segment is found, and the segment and its revisions are named")
func everyByteOfASegment() throws {
    var random = SeededGenerator(seed: 11)
    let entries = random.entries(45, keys: 6, valueBytes: 20)
    let archive = try TestArchive()
    try archive.fill(entries, perSegment: 15)
    let database = try DatabaseQueue(path: archive.path)
    let reader = try ArchiveReader.open(path: archive.path)
    for column in ["body", "value_blocks", "key_filter", "digest"] {
        let table = column == "digest" ? "segment" : "segment_data"
        let original = try #require(
            try database.read { try Data.fetchOne($0, sql: "SELECT \(column) FROM \(table) WHERE id = 2") }
        )
        func store(_ data: Data) throws {
            try database.write { db in
                try db.execute(sql: "UPDATE \(table) SET \(column) = ? WHERE id = 2", arguments: [data])
            }
        }
        for index in original.indices {
            var damaged = original
            damaged[index] ^= 1 << UInt8.random(in: 0...7, using: &random)
            try store(damaged)
            let problems = try reader.verify().problems
            let named = problems.contains { problem in
                problem.segment == 1 && problem.revisions == entries[15].revision...entries[29].revision
            }
            #expect(named, "byte \(index) of \(column): \(problems)")
        }
        try store(original)
    }
    #expect(try reader.verify().isSound)
}

/// A change made behind the archive's back, and words of the problem that must be reported.
struct Tampering: Sendable, CustomTestStringConvertible {
    let sql: String
    let says: String
    var testDescription: String { sql }
}

private let tamperings = [
    Tampering(sql: "DELETE FROM segment WHERE ordinal = 1", says: "segments 1 to 1 are missing"),
    Tampering(sql: "DELETE FROM segment WHERE ordinal = 2", says: "the checkpoint counts 3 segments, there are 2"),
    Tampering(sql: "DELETE FROM segment", says: "the checkpoint counts 3 segments, there are 0"),
    Tampering(sql: "UPDATE segment SET first_revision = first_revision + 1 WHERE ordinal = 1", says: "digest"),
    Tampering(
        sql: "UPDATE segment SET entry_count = 99 WHERE ordinal = 0",
        says: "its row does not agree with its body"
    ),
    Tampering(sql: "UPDATE segment SET entry_count = -1 WHERE ordinal = 0", says: "counts are out of bounds"),
    Tampering(sql: "UPDATE segment SET last_revision = -1 WHERE ordinal = 0", says: "a revision is negative"),
    Tampering(sql: "UPDATE segment SET raw_size = 1 WHERE ordinal = 2", says: "digest"),
    Tampering(sql: "UPDATE segment_data SET body = x'' WHERE id = 3", says: "ends too early"),
    Tampering(sql: "UPDATE segment SET ordinal = 7 WHERE ordinal = 2", says: "segments 2 to 6 are missing"),
    Tampering(
        sql: "UPDATE segment SET ordinal = -9223372036854775808 WHERE ordinal = 2",
        says: "the impossible ordinal"
    ),
    Tampering(
        sql: "UPDATE segment SET ordinal = 9223372036854775807 WHERE ordinal = 2",
        says: "the impossible ordinal"
    ),
    Tampering(sql: "UPDATE segment SET data = 1 WHERE ordinal = 2", says: "the digest of its column"),
    Tampering(sql: "UPDATE segment SET data = 7 WHERE ordinal = 2", says: "its data is gone"),
    Tampering(sql: "UPDATE segment SET data = 1 WHERE ordinal = 2", says: "belong to no segment"),
    Tampering(sql: "UPDATE checkpoint SET resume_revision = 1", says: "the checkpoint is not what was written"),
    Tampering(sql: "UPDATE checkpoint SET head = x'00'", says: "does not close the chain"),
    Tampering(sql: "DELETE FROM checkpoint", says: "segments but no checkpoint"),
    Tampering(sql: "UPDATE configuration SET json = '{}'", says: "configuration of revision 0"),
    Tampering(sql: "UPDATE incarnation SET created = 'x'", says: "digest"),
    Tampering(sql: "UPDATE incarnation SET bucket = 'a b'", says: "is no bucket name"),
    Tampering(sql: "UPDATE run SET outcome = 'x'", says: "no outcome of a run"),
    Tampering(
        sql: "INSERT INTO tag VALUES (1, 't', 9223372036854775807, NULL, '', 0, x'00')",
        says: "a tag of bucket orders is not what was written"
    ),
    Tampering(
        sql: "INSERT INTO removal VALUES (1, 1, 2, 3, 4, 5, 6, 7, x'00')",
        says: "a removal of bucket orders is not what was written"
    ),
    Tampering(sql: "UPDATE run SET bytes = 7", says: "run 1 is not what was written"),
    Tampering(sql: "PRAGMA foreign_keys = OFF; DELETE FROM incarnation", says: "belong to no incarnation"),
]

@Test("Verification says what is wrong", arguments: tamperings)
func verificationReports(tampering: Tampering) throws {
    var random = SeededGenerator(seed: 12)
    let archive = try TestArchive()
    try archive.fill(random.entries(45), perSegment: 15)
    let writer = try ArchiveWriter.open(path: archive.path)
    _ = try writer.beginRun(kind: "backup", at: Timestamp(nanoseconds: 1))
    try writer.close()
    try archive.tamper(tampering.sql)
    if tampering.sql.contains("UPDATE checkpoint") {
        let writer = try ArchiveWriter.open(path: archive.path)
        #expect(throws: ArchiveError.self) { try writer.checkpoint(IncarnationID(rawValue: 1)) }
        try writer.close()
    }
    let problems = try ArchiveReader.open(path: archive.path).verify().problems
    #expect(problems.contains { $0.description.contains(tampering.says) }, "\(problems.map(\.description))")
}

@Test("A changed byte anywhere in the file is an error, a problem, or changes nothing that is read", arguments: 0..<4)
func everyByteOfTheFile(part: Int) throws {
    var random = SeededGenerator(seed: 13)
    let entries = random.entries(60, keys: 8, valueBytes: 600)
    let archive = try TestArchive()
    let incarnation = try archive.fill(entries, perSegment: 20)
    let whole = try Data(contentsOf: URL(fileURLWithPath: archive.path))
    let proof = try ArchiveReader.open(path: archive.path).digest(of: incarnation.id, at: entries[59].revision)
    for index in stride(from: part * 61, to: whole.count, by: 4 * 61) {
        var damaged = whole
        damaged[index] ^= 1 << UInt8.random(in: 0...7, using: &random)
        try damaged.write(to: URL(fileURLWithPath: archive.path))
        do {
            let reader = try ArchiveReader.open(path: archive.path)
            guard try reader.verify().isSound else { continue }
            #expect(try reader.digest(of: incarnation.id, at: entries[59].revision) == proof, "byte \(index)")
        } catch let error as ArchiveError {
            #expect(error.path == archive.path)
        }
    }
}

@Test("Reading a damaged segment is an error that names it; the others are still read")
func readingDamage() throws {
    var random = SeededGenerator(seed: 14)
    let entries = random.entries(60, keys: 60, valueBytes: 40)
    let archive = try TestArchive()
    let incarnation = try archive.fill(entries, perSegment: 20)
    try archive.tamper("UPDATE segment_data SET value_blocks = zeroblob(length(value_blocks)) WHERE id = 2")
    let reader = try ArchiveReader.open(path: archive.path)
    var cursor = try reader.state(of: incarnation.id, at: entries[59].revision, historyMode: .full).makeCursor()
    var read: [Entry] = []
    try #require(try cursor.next()).forEachEntry { read.append(Entry($0)) }
    #expect(read == Array(entries.prefix(20)))
    do {
        try cursor.next()?.forEachEntry { _ in Issue.record("damage was read") }
        Issue.record("damage was passed over")
    } catch let error as ArchiveError {
        #expect(error.description.contains("segment 1 (revisions \(entries[20].revision) to \(entries[39].revision))"))
        #expect(error.code != .locked(""))
    }
}
