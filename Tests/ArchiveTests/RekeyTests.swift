import Foundation
import GRDB
import KVModel
import Testing

@testable import Archive

@Suite("Changing keys")
struct RekeyTests {
    private struct Stop: Error {}

    /// Asks for everything, with a key that must open it.
    private static func check(
        _ archive: borrowing TestArchive,
        _ entries: [Entry],
        key: ArchiveKey,
        isComplete: Bool = true
    ) throws {
        let reader = try ArchiveReader.open(path: archive.path, key: key)
        #expect(try reader.verify().problems == [])
        #expect(try reader.encryption()?.isComplete == isComplete)
        let incarnation = try #require(try reader.incarnations().first)
        let state = try reader.state(of: incarnation.id, at: entries.last?.revision ?? 0, historyMode: .full)
        #expect(try TestArchive.entries(state) == entries)
    }

    private static func isRefused(_ archive: borrowing TestArchive, _ key: ArchiveKey) -> Bool {
        guard case .wrongKey = archiveCode({ _ = try ArchiveReader.open(path: archive.path, key: key) }) else {
            return false
        }
        return true
    }

    /// The bytes of a column, before they are changed.
    private static func blobs(_ archive: borrowing TestArchive, _ sql: String) throws -> [[UInt8]] {
        let database = try DatabaseQueue(path: archive.path)
        defer { try? database.close() }
        return try database.read { db in try db.rows(sql).map { Array(try $0.blob(0)) } }
    }

    @Test("Another key wraps the data key: the segments stay, the one before opens it no more and has left no trace")
    func changeKey() throws {
        let entries = Secrets.entries(200)
        let keys = try [ArchiveKey.random(), .cheap("one"), .cheap("two"), .random()]
        let archive = try TestArchive()
        try archive.fill(entries, perSegment: 30, key: keys[0])
        let bodies = try Self.blobs(archive, "SELECT body FROM segment_data")
        for (old, new) in zip(keys, keys.dropFirst()) {
            let wrapped = try Self.blobs(archive, "SELECT wrapped FROM data_key")
            let writer = try ArchiveWriter.open(path: archive.path, key: old)
            try writer.changeKey(to: new)
            // The writer goes on with the new key.
            _ = try writer.beginRun(kind: "test", at: Timestamp(nanoseconds: 1))
            let whileOpen = try Data(contentsOf: URL(fileURLWithPath: archive.path))
            try writer.close()
            let closed = try Data(contentsOf: URL(fileURLWithPath: archive.path))
            for row in wrapped { #expect(!Secrets.contains(row, [whileOpen, closed])) }
            let isRefused = Self.isRefused(archive, old)
            #expect(isRefused)
            try Self.check(archive, entries, key: new)
        }
        let bodiesNow = try Self.blobs(archive, "SELECT body FROM segment_data")
        #expect(bodiesNow == bodies)
        let plain = try TestArchive()
        try plain.fill(entries)
        let writer = try ArchiveWriter.open(path: plain.path)
        #expect(archiveCode { try writer.changeKey(to: keys[0]) } == .notEncrypted)
        try writer.close()
    }

    @Test(
        "A new data key encrypts everything again, and nothing of what was stays in the file",
        arguments: [1, 7, 200]
    )
    func reencrypt(perSegment: Int) throws {
        let entries = Secrets.entries(200)
        let key = try ArchiveKey.random()
        let archive = try TestArchive()
        try archive.fill(entries, perSegment: perSegment, key: key)
        let before = try Self.blobs(archive, "SELECT body FROM segment_data UNION ALL SELECT wrapped FROM data_key")
        let reader = try ArchiveReader.open(path: archive.path, key: key)
        let writer = try ArchiveWriter.open(path: archive.path, key: key)
        var seen: [ReencryptionProgress] = []
        try writer.reencrypt { seen.append($0) }
        let segments = (199 + perSegment) / perSegment
        let all = ReencryptionProgress(segments: segments, ofSegments: segments, entries: 200, ofEntries: 200)
        #expect(seen.last == all)
        // Who had it open reads on.
        #expect(try reader.verify().problems == [])
        let incarnation = try #require(try reader.incarnations().first)
        #expect(try reader.history(of: entries[150].key, in: incarnation.id) == [entries[150]])
        let next = Secrets.entries(201)
        try writer.commit(
            TestArchive.segments([next[200]]),
            incarnation.id,
            checkpoint: Checkpoint(resumeRevision: 201, consistentRevision: 201, updated: Timestamp(nanoseconds: 1))
        )
        try reader.close()
        try writer.close()
        let after = try Data(contentsOf: URL(fileURLWithPath: archive.path))
        for bytes in before { #expect(!Secrets.contains(Array(bytes.suffix(40)), [after])) }
        try Self.check(archive, next, key: key)
    }

    @Test("A plain archive becomes an encrypted one, and nothing of it stays readable")
    func encrypt() throws {
        let entries = Secrets.entries(300)
        let key = try ArchiveKey.random()
        let archive = try TestArchive()
        try archive.fill(entries, perSegment: 20)
        // Pages that nothing uses any more hold entries as well.
        try archive.tamper(
            """
            CREATE TABLE other AS SELECT body, value_blocks FROM segment_data;
            DROP TABLE other;
            """
        )
        let found1 = try Secrets.found(entries, in: archive)
        #expect(found1 == Set(1...300))
        let writer = try ArchiveWriter.open(path: archive.path, key: key, encrypts: true)
        try writer.reencrypt()
        let found2 = try Secrets.found(entries, in: archive)
        #expect(found2 == [])
        try writer.close()
        let found3 = try Secrets.found(entries, in: archive)
        #expect(found3 == [])
        try Self.check(archive, entries, key: key)
    }

    @Test("Stopped at any step, a re-encryption leaves a sound archive and goes on", arguments: [false, true])
    func interrupted(wasPlain: Bool) throws {
        let entries = Secrets.entries(60)
        let key = try ArchiveKey.random()
        let other = try ArchiveKey.random()
        for step in 0..<4 {
            let archive = try TestArchive()
            try archive.fill(entries, perSegment: 20, key: wasPlain ? nil : key)
            let writer = try ArchiveWriter.open(path: archive.path, key: key, encrypts: wasPlain)
            var steps = 0
            #expect(throws: Stop.self) {
                try writer.reencrypt(batchBytes: 1) { _ in
                    if steps == step { throw Stop() }
                    steps += 1
                }
            }
            try writer.close()
            try Self.check(archive, entries, key: key, isComplete: false)
            // Meanwhile the key may change, and entries may come.
            let second = try ArchiveWriter.open(path: archive.path, key: key)
            try second.changeKey(to: other)
            let incarnation = try #require(try second.latestIncarnation(cluster: "east", bucket: BucketName("orders")))
            let next = Secrets.entries(61)
            try second.commit(
                TestArchive.segments([next[60]]),
                incarnation.id,
                checkpoint: Checkpoint(resumeRevision: 61, consistentRevision: 61, updated: Timestamp(nanoseconds: 1))
            )
            try Self.check(archive, next, key: other, isComplete: false)
            try second.reencrypt()
            try second.close()
            try Self.check(archive, next, key: other)
            let dataKeys = try Self.blobs(archive, "SELECT wrapped FROM data_key")
            #expect(dataKeys.count == 1)
            let found = try wasPlain ? Secrets.found(next, in: archive) : []
            #expect(found == [])
        }
    }

    @Test("A reader that keeps the log is waited for, then named; the run goes on later")
    func busyReader() throws {
        let entries = Secrets.entries(60)
        let key = try ArchiveKey.random()
        let archive = try TestArchive()
        try archive.fill(entries, perSegment: 20, key: key)
        let writer = try ArchiveWriter.open(path: archive.path, key: key, busyTimeout: 0.05)
        _ = try writer.beginRun(kind: "test", at: Timestamp(nanoseconds: 1))
        let reader = try DatabaseQueue(path: archive.path)
        try reader.inDatabase { db in
            try db.execute(sql: "BEGIN; SELECT count(*) FROM segment")
            let code = archiveCode { try writer.reencrypt() }
            guard case .locked = code else {
                Issue.record("\(String(describing: code))")
                return
            }
            try db.execute(sql: "COMMIT")
        }
        try reader.close()
        try Self.check(archive, entries, key: key, isComplete: false)
        try writer.reencrypt()
        try writer.close()
        try Self.check(archive, entries, key: key)
    }
}
