import Foundation
import GRDB
import KVModel
import Testing

@testable import Archive

/// Rows that are whole but that nobody finds: a damaged page hides them.
@Suite("Hidden rows")
struct HiddenRowTests {
    /// An archive with all kinds of records, and nothing left of what dropped rows were.
    private static func fill(_ archive: borrowing TestArchive) throws -> RandomHistory {
        let history = try GoldenArchive.fill(archive, key: nil)
        let writer = try ArchiveWriter.open(path: archive.path)
        for step in ["trial", "fence"] {
            let time = Timestamp(nanoseconds: 1_800_000_000_000_000_000)
            try writer.recordMigration(history.incarnation.id, step: step, detail: "{}", at: time)
        }
        try writer.close()
        return history
    }

    private static func count(_ kind: RecordKind, _ path: String) throws -> Int64 {
        try DatabaseQueue(path: path).read { try $0.integer("SELECT count(*) FROM \(kind.rawValue)") }
    }

    @Test(
        "A record that is gone is reported, refuses what needs it, and is named by a repair",
        arguments: RecordKind.allCases.filter { $0 != .lost }
    )
    func missingRecords(kind: RecordKind) throws {
        let archive = try TestArchive()
        let history = try Self.fill(archive)
        let id = history.incarnation.id
        let before = try GoldenArchive.proofs(ArchiveReader.open(path: archive.path), id)
        let newest = try #require(before.keys.max())
        #expect(try ArchiveReader.open(path: archive.path).verify().problems == [])
        let count = try Self.count(kind, archive.path)
        // What the bucket goes on from after a prune would be missed without being counted.
        let choice = kind == .point ? "WHERE revision > (SELECT exact_from FROM checkpoint)" : ""
        try archive.tamper(
            "DELETE FROM \(kind.rawValue) WHERE rowid = (SELECT min(rowid) FROM \(kind.rawValue) \(choice))"
        )
        let says = "of \(count) \(kind.plural) of bucket orders, \(count - 1) are here"
        let damaged = try ArchiveReader.open(path: archive.path)
        #expect(try damaged.verify().problems.map(\.detail) == [says])
        try expectRefused(damaged, id, at: newest, kind)

        let saved = archive.directory + "/saved.cistern"
        let report = try ArchiveRepair.run(path: archive.path, to: saved)
        #expect(report.buckets[0].lostRecords == [RepairReport.LostRecords(kind: kind, count: 1)])
        #expect(!report.isWhole && report.buckets[0].lost.isEmpty)
        let refuses = !report.buckets[0].refusedPoints.isEmpty
        #expect(refuses == (kind != .tag && kind != .migration))
        let reader = try ArchiveReader.open(path: saved)
        #expect(try reader.verify().problems.map(\.detail) == (kind.matters ? [says] : []))
        if kind.matters { try expectRefused(reader, id, at: newest, kind) }
        for (revision, proof) in before
        where report.buckets[0].provedPoints.contains(where: { $0.revision == revision }) {
            #expect(try reader.digest(of: id, at: revision) == proof)
        }
        // What is there is shown all the same, and the next backup goes on.
        _ = try reader.summary()
        _ = try reader.state(of: id, at: newest, historyMode: .full)
        var grown = history
        try grown.grow(commits: 1, saved)
        #expect(try ArchiveReader.open(path: saved).verify().isSound == !kind.matters)

        let accepted = archive.directory + "/accepted.cistern"
        #expect(try !ArchiveRepair.run(path: archive.path, to: accepted, acceptsLoss: true).isWhole)
        let other = try ArchiveReader.open(path: accepted)
        #expect(try other.verify().problems == [])
        _ = try other.digest(of: id, at: newest)
    }

    /// What needs a record of this kind must not be answered without it.
    private func expectRefused(
        _ reader: ArchiveReader,
        _ id: IncarnationID,
        at newest: Revision,
        _ kind: RecordKind
    )
        throws
    {
        switch kind {
        case .configuration, .removal, .lost:
            #expect(throws: ArchiveError.self) { try reader.digest(of: id, at: newest) }
        case .point: #expect(throws: ArchiveError.self) { try reader.digest(of: id, at: newest - 1) }
        case .tag: #expect(throws: ArchiveError.self) { try reader.resolve(.tag("none"), in: id) }
        case .migration: #expect(throws: ArchiveError.self) { try reader.migrationRecords(of: id) }
        }
        guard kind != .tag, kind != .migration else { return }
        let export = ArchiveExport(reader)
        let incarnations = try reader.incarnations()
        #expect(throws: ArchiveError.self) { try export.run(incarnations) { _ in } }
    }

    @Test("Nobody takes an older life of a bucket for the newest because the newest one's name is gone")
    func missingName() throws {
        let archive = try TestArchive()
        var random = SeededGenerator(seed: 72)
        let older = try archive.fill(random.entries(20))
        let writer = try ArchiveWriter.open(path: archive.path)
        let newer = try writer.incarnation(cluster: "east", bucket: older.bucket, created: "2026-11-02T12:00:00Z")
        let time = Timestamp(nanoseconds: 1)
        try writer.commit([], newer.id, checkpoint: Checkpoint(resumeRevision: 1, updated: time))
        try writer.close()
        let reader = try ArchiveReader.open(path: archive.path)
        #expect(try reader.latestIncarnation(bucket: older.bucket) == newer)
        try archive.tamper("PRAGMA foreign_keys = OFF; DELETE FROM incarnation WHERE id = \(newer.id.rawValue)")
        #expect(throws: ArchiveError.self) { try reader.latestIncarnation(bucket: older.bucket) }
        #expect(throws: ArchiveError.self) { try reader.summary() }
        #expect(try !reader.verify().isSound)
    }

    @Test(
        "The names of a bucket are here twice, so that damage to one of them costs nothing",
        arguments: ["created = created || '0'", "cluster = 'west'", "bucket = 'a b'", "filter = 'a.>'", "id = 7"],
        [false, true]
    )
    func damagedName(change: String, isEncrypted: Bool) throws {
        for table in ["incarnation", "incarnation_copy"] {
            let archive = try TestArchive()
            var random = SeededGenerator(seed: 73)
            let key = isEncrypted ? try ArchiveKey.random() : nil
            let incarnation = try archive.fill(random.entries(80), perSegment: 20, key: key)
            let held = try GoldenArchive.held(archive.path, incarnation.id, key: key)
            try archive.tamper("PRAGMA foreign_keys = OFF; UPDATE \(table) SET \(change)")
            #expect(try !ArchiveReader.open(path: archive.path, key: key).verify().isSound)
            let saved = archive.directory + "/saved.cistern"
            #expect(try ArchiveRepair.run(path: archive.path, to: saved).isWhole, "\(table)")
            let reader = try ArchiveReader.open(path: saved, key: key)
            #expect(try reader.verify().problems == [])
            #expect(try reader.incarnations() == [incarnation])
            #expect(try GoldenArchive.held(saved, incarnation.id, key: key) == held)
        }
    }

    @Test("No older checkpoint is left in the page of the present one, where a changed pointer would find it")
    func olderCheckpoints() throws {
        let archive = try TestArchive()
        let history = try Self.fill(archive)
        let root = try DatabaseQueue(path: archive.path).read {
            try $0.integer("SELECT rootpage FROM sqlite_schema WHERE name = 'checkpoint'")
        }
        let file = try PageFile(path: archive.path)
        let scanner = RowScanner(file, try TableShape.all())
        let page = try file.page(Int(root))
        let sound = try (1..<page.count).filter { offset in
            guard let (table, row) = try scanner.row(page, at: offset), table.name == "checkpoint" else { return false }
            let values = row.values.dropFirst()
            guard let stored = try? StoredCheckpoint(StoredRow(Array(values))) else { return false }
            return stored.digest == stored.expectedDigest(history.incarnation)
        }
        #expect(sound.count == 1)
    }

    @Test("A range that a repair found lost is not forgotten by the next one")
    func missingLoss() throws {
        var random = SeededGenerator(seed: 6)
        let entries = random.entries(60, keys: 8)
        let archive = try TestArchive()
        let id = try archive.fill(entries, perSegment: 20, consistentTime: entries.last?.time).id
        try archive.tamper("UPDATE segment_data SET body = zeroblob(length(body)) WHERE id = 2")
        let saved = archive.directory + "/saved.cistern"
        #expect(try !ArchiveRepair.run(path: archive.path, to: saved).isWhole)
        let database = try DatabaseQueue(path: saved)
        try database.writeWithoutTransaction { try $0.execute(sql: "DELETE FROM lost") }
        try database.close()
        let again = archive.directory + "/again.cistern"
        let report = try ArchiveRepair.run(path: saved, to: again)
        #expect(report.buckets[0].lostRecords == [RepairReport.LostRecords(kind: .lost, count: 1)])
        #expect(report.buckets[0].provedPoints == [])
        for path in [saved, again] {
            let reader = try ArchiveReader.open(path: path)
            #expect(try !reader.verify().isSound)
            #expect(throws: ArchiveError.self) { try reader.digest(of: id, at: entries[59].revision) }
        }
    }

    /// What may be wrong with a page's head.
    enum HeadDamage: CaseIterable {
        case noKind, leafOfIndex, innerOfIndex, innerOfTable, noCells, oneCellLess, manyCells, noContent, pointer

        /// Damages a page; its cells stay as they are.
        func apply(_ bytes: inout Data, at head: Int) {
            switch self {
            case .noKind: bytes[head] = 0
            case .leafOfIndex: bytes[head] = 10
            case .innerOfIndex: bytes[head] = 2
            case .innerOfTable: bytes[head] = 5
            case .noCells:
                bytes[head + 3] = 0
                bytes[head + 4] = 0
            case .oneCellLess: bytes[head + 4] &-= 1
            case .manyCells: bytes[head + 3] = 255
            case .noContent: bytes[head + 5] = 31
            case .pointer: bytes[head + 9] ^= 16
            }
        }
    }

    @Test("A damaged head of a page costs nothing that is on the page", arguments: HeadDamage.allCases)
    func damagedHeads(damage: HeadDamage) throws {
        let archive = try TestArchive()
        let history = try Self.fill(archive)
        let id = history.incarnation.id
        let proofs = try GoldenArchive.proofs(ArchiveReader.open(path: archive.path), id)
        let held = try GoldenArchive.held(archive.path, id)
        let whole = try Data(contentsOf: URL(fileURLWithPath: archive.path))
        let saved = archive.directory + "/saved.cistern"
        var pages = 0
        for page in 0..<whole.count / ArchiveFormat.pageSize {
            let head = page * ArchiveFormat.pageSize + (page == 0 ? 100 : 0)
            guard whole[head] == 13, whole[head + 4] > 0 else { continue }
            pages += 1
            var damaged = whole
            damage.apply(&damaged, at: head)
            try damaged.write(to: URL(fileURLWithPath: archive.path))
            for suffix in ["", "-wal", "-shm"] { unlink(saved + suffix) }
            let report = try ArchiveRepair.run(path: archive.path, to: saved)
            #expect(report.isWhole, "\(damage), page \(page): \(report)")
            #expect(try GoldenArchive.held(saved, id) == held, "\(damage), page \(page)")
            let reader = try ArchiveReader.open(path: saved)
            #expect(try reader.verify().problems == [], "\(damage), page \(page)")
            for (revision, proof) in proofs {
                #expect(try reader.digest(of: id, at: revision) == proof, "\(damage), page \(page)")
            }
        }
        #expect(pages > 8)
    }

    @Test("A page in use that the list of free pages names is looked through all the same")
    func pageOnTheFreeList() throws {
        var random = SeededGenerator(seed: 71)
        let entries = random.entries(600)
        let archive = try TestArchive()
        let id = try archive.fill(entries, perSegment: 20).id
        let held = try GoldenArchive.held(archive.path, id)
        // Pages become free, and stay in the file.
        try archive.tamper("CREATE TABLE filler (data BLOB)")
        try archive.tamper("INSERT INTO filler VALUES (zeroblob(100000))")
        try archive.tamper("DROP TABLE filler")
        let whole = try Data(contentsOf: URL(fileURLWithPath: archive.path))
        let number = { (offset: Int) in whole[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) } }
        let trunk = (number(32) - 1) * ArchiveFormat.pageSize
        #expect(number(trunk + 4) > 0)
        let saved = archive.directory + "/saved.cistern"
        for page in stride(from: 3, to: whole.count / ArchiveFormat.pageSize, by: 7) {
            var damaged = whole
            damaged[trunk + 8 + 2] = UInt8(page >> 8)
            damaged[trunk + 8 + 3] = UInt8(page & 255)
            try damaged.write(to: URL(fileURLWithPath: archive.path))
            for suffix in ["", "-wal", "-shm"] { unlink(saved + suffix) }
            #expect(try ArchiveRepair.run(path: archive.path, to: saved).isWhole, "page \(page)")
            #expect(try GoldenArchive.held(saved, id) == held, "page \(page)")
        }
    }
}
