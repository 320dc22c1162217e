import Crypto
import Foundation
import GRDB
import KVModel
import Testing

@testable import Archive

extension ArchiveKey {
    /// A new key of a key file.
    static func random() throws -> ArchiveKey { try ArchiveKey(keyFile: newKeyFile()) }

    /// A passphrase whose wrapping costs next to nothing.
    static func cheap(_ passphrase: String) throws -> ArchiveKey {
        try ArchiveKey(
            passphrase: Array(passphrase.utf8),
            cost: ScryptCost(rounds: 16, blockSize: 8, parallelism: 1)
        )
    }
}

/// The code of the error that `body` throws.
func archiveCode(_ body: () throws -> Void) -> ArchiveError.Code? {
    do {
        try body()
        return nil
    } catch let error as ArchiveError {
        return error.code
    } catch {
        Issue.record("\(error)")
        return nil
    }
}

@Suite("Encryption")
struct EncryptionTests {
    private static let start = Timestamp(nanoseconds: 1)

    @Test("An encrypted archive says what a plain one says, with its key", arguments: ArchiveKey.Kind.all)
    func roundTrip(kind: ArchiveKey.Kind) throws {
        var random = SeededGenerator(seed: 71)
        let entries = random.entries(200, keys: 8, valueBytes: 90)
        let key = try kind == .keyFile ? ArchiveKey.random() : ArchiveKey.cheap("correct horse")
        let plain = try TestArchive()
        let sealed = try TestArchive()
        let incarnation = try plain.fill(entries, perSegment: 30)
        #expect(try sealed.fill(entries, perSegment: 30, key: key) == incarnation)
        let first = try ArchiveReader.open(path: plain.path)
        let second = try ArchiveReader.open(path: sealed.path, key: key)
        #expect(try first.encryption() == nil)
        #expect(try second.encryption() == ArchiveEncryption(kind: kind, isComplete: true))
        let report = try second.verify()
        #expect(report.problems == [])
        #expect(report.unopenedSegments == 0)
        #expect(report.checked.entries == entries.count)
        for revision in [entries[20].revision, entries[199].revision] {
            #expect(
                try first.digest(of: incarnation.id, at: revision) == second.digest(of: incarnation.id, at: revision)
            )
            #expect(try first.keys(of: incarnation.id, at: revision) == second.keys(of: incarnation.id, at: revision))
        }
        for name in Set(entries.map(\.key)) {
            #expect(try first.history(of: name, in: incarnation.id) == second.history(of: name, in: incarnation.id))
            #expect(try first.latest(name, in: incarnation.id) == second.latest(name, in: incarnation.id))
        }
        let writer = try ArchiveWriter.open(path: sealed.path, key: key)
        #expect(try writer.lastEntry(incarnation.id)?.key == entries.last?.key)
        try writer.close()
    }

    @Test("A missing, a wrong and a needless key are told apart")
    func keys() throws {
        var random = SeededGenerator(seed: 72)
        let entries = random.entries(40)
        let (right, wrong) = (try ArchiveKey.random(), try ArchiveKey.random())
        let sealed = try TestArchive()
        let incarnation = try sealed.fill(entries, key: right)

        // Without a key: what the archive says of itself, and nothing of what is in it.
        let reader = try ArchiveReader.open(path: sealed.path)
        #expect(try reader.summary().buckets.first?.entries == 40)
        #expect(try reader.summary().encryption?.kind == .keyFile)
        let missing = ArchiveError.Code.encrypted(.keyFile)
        #expect(archiveCode { _ = try reader.keys(of: incarnation.id, at: entries[39].revision) } == missing)
        #expect(archiveCode { _ = try reader.latest(entries[39].key, in: incarnation.id) } == missing)
        #expect(archiveCode { _ = try reader.history(of: entries[39].key, in: incarnation.id) } == missing)
        let report = try reader.verify()
        #expect(report.problems == [])
        #expect(report.unopenedSegments == 1)
        #expect(report.checked.entries == 0)
        #expect(archiveCode { _ = try ArchiveWriter.open(path: sealed.path) } == missing)

        for key in [wrong, try ArchiveKey.cheap("x")] {
            let codes = [
                archiveCode { _ = try ArchiveReader.open(path: sealed.path, key: key) },
                archiveCode { _ = try ArchiveWriter.open(path: sealed.path, key: key) },
            ]
            for code in codes {
                guard case .wrongKey = code else {
                    Issue.record("\(String(describing: code))")
                    continue
                }
            }
        }
        let plain = try TestArchive()
        try plain.fill(entries)
        #expect(archiveCode { _ = try ArchiveWriter.open(path: plain.path, key: right) } == .notEncrypted)
        #expect(try ArchiveReader.open(path: plain.path, key: right).verify().problems == [])
        // Nobody was left with the lock.
        try ArchiveWriter.open(path: sealed.path, key: right).close()
    }

    @Test(
        "Only what was written as a key file is taken for one",
        arguments: [
            "", "x", "cistern-key-1:", "cistern-key-1:" + String(repeating: "0", count: 63),
            "cistern-key-1:" + String(repeating: "0", count: 66), "cistern-key-1:" + String(repeating: "g", count: 64),
            "cistern-key-2:" + String(repeating: "0", count: 64),
        ]
    )
    func keyFiles(text: String) throws {
        let code = archiveCode { _ = try ArchiveKey(keyFile: Array(text.utf8)) }
        guard case .invalidKey = code else {
            Issue.record("\(String(describing: code))")
            return
        }
    }

    @Test("A key file may have lost its line feed or gained a carriage return")
    func keyFileEnds() throws {
        let content = ArchiveKey.newKeyFile()
        #expect(content.count == 14 + 64 + 1)
        #expect(content != ArchiveKey.newKeyFile())
        let archive = try TestArchive()
        try archive.fill([], key: ArchiveKey(keyFile: content))
        for variant in [Array(content.dropLast()), content.dropLast() + [13, 10]] {
            _ = try ArchiveReader.open(path: archive.path, key: ArchiveKey(keyFile: variant))
        }
    }

    @Test("No key and no value is in the file or its log, neither while it is open nor after")
    func noPlaintext() throws {
        let entries = Secrets.entries(500)
        let everything = Set(1...500)
        for key in [nil, try ArchiveKey.random()] {
            let archive = try TestArchive()
            let writer = try ArchiveWriter.open(path: archive.path, createIfMissing: true, key: key)
            let incarnation = try writer.incarnation(cluster: "c", bucket: BucketName("b"), created: "x")
            for segment in try TestArchive.segments(entries, perSegment: 50) {
                try writer.commit(
                    [segment],
                    incarnation.id,
                    checkpoint: Checkpoint(
                        resumeRevision: segment.lastRevision,
                        consistentRevision: segment.lastRevision,
                        updated: Self.start
                    )
                )
            }
            let open = try Secrets.found(entries, in: archive)
            _ = try ArchiveReader.open(path: archive.path, key: key).keys(of: incarnation.id, at: 500)
            try writer.close()
            let closed = try Secrets.found(entries, in: archive)
            // That a plain archive shows them proves that the search finds what is there.
            #expect(open == (key == nil ? everything : []))
            #expect(closed == (key == nil ? everything : []))
        }
    }

    @Test("A sealed blob opens at its own place only", arguments: Swap.allCases)
    func swaps(swap: Swap) throws {
        let key = try ArchiveKey.random()
        let archive = try TestArchive()
        let entries = Secrets.entries(90)
        let incarnation = try archive.fill(entries, perSegment: 30, key: key)
        try archive.tamper(swap.sql)
        // Whoever changes the file makes the digests fit: they need no key.
        try Self.rechain(archive, incarnation)
        let reader = try ArchiveReader.open(path: archive.path, key: key)
        #expect(try ArchiveReader.open(path: archive.path).verify().problems == [])
        let problems = try reader.verify().problems.map(\.detail)
        #expect(problems.contains { $0.contains("is not what was encrypted at this place") }, "\(problems)")
        let code = archiveCode {
            _ = try reader.digest(of: incarnation.id, at: 90)
            for entry in entries { _ = try reader.history(of: entry.key, in: incarnation.id) }
        }
        guard case .corrupt = code else {
            Issue.record("\(String(describing: code))")
            return
        }
    }

    /// Ways to move sealed bytes about, or to say something else of them.
    enum Swap: CaseIterable {
        case body
        case filter
        case values
        case blocks
        case times
        case identity
        case bit

        var sql: String {
            switch self {
            case .body: Self.exchange("body")
            case .filter: Self.exchange("key_filter")
            case .values: Self.exchange("value_blocks")
            case .blocks:
                "UPDATE segment_data SET value_blocks = CAST(substr(value_blocks, -8) || substr(value_blocks, 1, "
                    + "length(value_blocks) - 8) AS BLOB) WHERE id = 2"
            case .times: "UPDATE segment SET first_time = first_time + 1 WHERE ordinal = 1"
            case .identity:
                "UPDATE segment SET seal = (SELECT seal FROM segment WHERE ordinal = 0) WHERE ordinal = 1"
            case .bit:
                "UPDATE segment_data SET body = CAST(substr(body, 1, 99) || x'00ff00' || substr(body, 103) AS BLOB) "
                    + "WHERE id = 2"
            }
        }

        /// Segment 1 gets what segment 0 has.
        private static func exchange(_ column: String) -> String {
            "UPDATE segment_data SET \(column) = (SELECT \(column) FROM segment_data WHERE id = 1) WHERE id = 2"
        }
    }

    /// Makes all digests fit what the tables hold.
    private static func rechain(_ archive: borrowing TestArchive, _ incarnation: Incarnation) throws {
        let database = try DatabaseQueue(path: archive.path)
        try database.write { db in
            var head = SegmentDigest.root(incarnation)
            for ordinal in 0..<3 {
                let sql = "SELECT \(SegmentRow.columns) FROM segment WHERE ordinal = ?"
                let row = try SegmentRow(try #require(try db.rows(sql, [ordinal]).first), previous: head)
                let blobs = try db.unchecked(SegmentBlob.allCases, of: row).map { Array($0) }
                let parts = SegmentParts(body: blobs[0], values: blobs[1], keyFilter: blobs[2])
                let sizes = SegmentSizes(body: blobs[0].count, values: blobs[1].count, keyFilter: blobs[2].count)
                head = SegmentDigest.chained(
                    row.header,
                    sizes,
                    parts,
                    row.seal,
                    ordinal: row.ordinal,
                    previous: head
                )
                try db.execute(
                    sql: """
                        UPDATE segment SET parts = ?, digest = ?, body_size = ?, values_size = ?, filter_size = ?
                        WHERE ordinal = ?
                        """,
                    arguments: [
                        Data(parts.bytes), Data(head), sizes.body, sizes.values, sizes.keyFilter, ordinal,
                    ]
                )
            }
            try db.closeChain(of: incarnation, head: head)
        }
        try database.close()
    }

    @Test("A damaged data key is read from its copy, reported, and never taken for a wrong key")
    func damagedKeys() throws {
        let key = try ArchiveKey.cheap("x")
        let columns = ["id", "wrapping", "salt", "rounds", "block_size", "parallelism", "wrapped", "digest"]
        for column in columns {
            let archive = try TestArchive()
            try archive.fill(Secrets.entries(10), key: key)
            let value = ["wrapping": "'key'", "salt": "x'00'", "wrapped": "x'00'", "digest": "x'00'"][column] ?? "77"
            try archive.tamper("UPDATE data_key SET \(column) = \(value)")
            let reader = try ArchiveReader.open(path: archive.path, key: key)
            #expect(try reader.latest(Secrets.entries(10)[0].key, in: IncarnationID(rawValue: 1)) != nil)
            #expect(try reader.verify().problems.count == 1, "\(column)")
            try archive.tamper("UPDATE data_key_copy SET \(column) = \(value)")
            let code = archiveCode { _ = try ArchiveReader.open(path: archive.path, key: key) }
            guard case .corrupt = code else {
                Issue.record("\(column): \(String(describing: code))")
                continue
            }
            #expect(try !ArchiveReader.open(path: archive.path).verify().isSound)
        }
    }
}

extension ArchiveKey.Kind {
    static let all = [keyFile, passphrase]
}
