import Foundation
import KVModel
import Schedule
import Testing

@testable import Archive

@Suite("Export and import")
struct InterchangeTests {
    /// All that an export must keep of an incarnation.
    private struct Content: Equatable {
        var names: [String]
        var checkpoint: Checkpoint?
        var configurations: [ConfigurationRecord]
        var removals: [RemovalRecord]
        var tags: [String]
        var entries: [Entry]
        var digests: [StateDigest]
        var exactFrom: Revision
        var points: [String]

        init(_ incarnation: Incarnation, _ reader: ArchiveReader) throws {
            names = [incarnation.cluster, incarnation.bucket.rawValue, incarnation.created]
            let id = incarnation.id
            checkpoint = try reader.checkpoint(id)
            configurations = try reader.configurations(of: id)
            removals = try reader.removals(of: id)
            tags = try reader.tags(of: id).map { tag in
                "\(tag.name) \(tag.revision) \(tag.time?.nanoseconds ?? -1) \(tag.note) \(tag.created.nanoseconds)"
            }
            entries = []
            digests = []
            let basis = try reader.basisRecords(of: id, through: .max)
            exactFrom = basis.exactFrom
            points = try basis.points.map { point in
                "\(point) \(try reader.pointRecord(point, of: id)) \(try reader.digest(of: id, at: point.revision))"
            }
            guard let checkpoint else { return }
            entries = try TestArchive.entries(
                try reader.state(of: id, at: checkpoint.resumeRevision, historyMode: .full)
            )
            for index in stride(from: 0, to: entries.count, by: max(1, entries.count / 10))
            where entries[index].revision >= basis.exactFrom {
                digests.append(try reader.digest(of: id, at: entries[index].revision))
            }
            digests.append(try reader.digest(of: id, at: checkpoint.resumeRevision))
        }
    }

    private static func contents(_ path: String) throws -> [Content] {
        let reader = try ArchiveReader.open(path: path)
        return try reader.incarnations().map { try Content($0, reader) }
    }

    static func export(_ path: String, _ options: ArchiveExport.Options = .init()) throws -> [UInt8] {
        let reader = try ArchiveReader.open(path: path)
        var bytes: [UInt8] = []
        let report = try ArchiveExport(reader, options: options).run(try reader.incarnations()) {
            bytes.append(contentsOf: $0)
        }
        #expect(report.bytes == UInt64(bytes.count))
        return bytes
    }

    /// Imports bytes in pieces of a size that no line fits.
    @discardableResult
    static func importing(_ bytes: [UInt8], into path: String, piece: Int = 777) throws -> ArchiveImport.Report {
        let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
        defer { try? writer.close() }
        var options = ArchiveImport.Options()
        options.segmentBytes = 20_000
        var position = 0
        return try ArchiveImport(into: writer, source: "in.jsonl", options: options).run { room in
            let count = min(room.count, piece, bytes.count - position)
            room.copyBytes(from: bytes[position..<position + count])
            position += count
            return count
        }
    }

    @Test(
        "Records that are not what was written are not exported",
        arguments: [
            "UPDATE configuration SET json = replace(json, '5', '6')", "UPDATE configuration SET time = time + 1",
            "UPDATE tag SET note = 'other'", "UPDATE removal SET last_revision = last_revision + 1",
            "UPDATE checkpoint SET updated = updated + 1",
        ]
    )
    func damagedRecords(sql: String) throws {
        let archive = try TestArchive()
        try Self.fill(archive.path, seed: 3, count: 210)
        _ = try Self.export(archive.path)
        try archive.tamper(sql)
        let error = #expect(throws: ArchiveError.self) { try Self.export(archive.path) }
        guard case .corrupt = error?.code else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    /// An archive of several incarnations with everything that one can have.
    static func fill(_ path: String, seed: UInt64, count: Int = 300) throws {
        var random = SeededGenerator(seed: seed)
        let writer = try ArchiveWriter.open(path: path, createIfMissing: true)
        for (index, name) in ["orders", "orders", "sessions", "empty"].enumerated() {
            let incarnation = try writer.incarnation(
                cluster: "e\u{e4}st \"1\"",
                bucket: BucketName(name),
                created: "2026-11-0\(index + 1)T12:00:00.123456789Z"
            )
            let start = Timestamp(nanoseconds: 1_790_000_000_000_000_000 + Int64(index))
            let json = #"{"max_msgs_per_subject":5,"max_age":\#(index * 1_000_000),"description":"a\nb \"é"}"#
            try writer.recordConfiguration(incarnation.id, json: json, revision: 0, time: start)
            guard name != "empty" else { continue }
            var entries = random.entries(count, keys: 12)
            entries[3].headers = Array("NATS/1.0\r\nA:b\r\nA: c \r\nA: \u{1F600}\r\n\r\n".utf8)
            entries[3].operation = .put
            entries[4].headers = Array("NATS/1.0\r\nB: 1\r\nA: 2\r\nB: 3\r\n\r\n".utf8)
            entries[4].operation = .put
            entries[5].value = Array("line\nand \"quotes\" \\ \u{1F600} \t,".utf8)
            entries[6].value = [0, 1, 2, 10, 13, 255]
            entries[7].time = Timestamp(nanoseconds: .min)
            entries[8].time = Timestamp(nanoseconds: -1)
            entries[9].time = Timestamp(nanoseconds: .max)
            let last = try #require(entries.last).revision
            try writer.commit(
                try TestArchive.segments(entries),
                incarnation.id,
                checkpoint: Checkpoint(
                    resumeRevision: last + 2,
                    consistentRevision: index == 1 ? nil : last,
                    consistentTime: index == 1 ? nil : start,
                    sourceState: .init(messages: 7, bytes: .max, firstSequence: 1, lastSequence: last),
                    updated: start
                )
            )
            try writer.recordConfiguration(
                incarnation.id,
                json: json + " ",
                revision: entries[100].revision,
                time: start
            )
            let gone = entries[20].revision...entries[25].revision
            try writer.recordRemovals(incarnation.id, [gone], seenAt: entries[200].revision, time: start)
            let there = entries[30].revision...entries[31].revision
            try writer.recordSightings(incarnation.id, [there], at: ConsistentPoint(revision: last, time: start))
            try writer.tag("t\u{1}\(index)", incarnation.id, revision: last, note: "why \"not\"", at: start)
            try writer.tag("early", incarnation.id, revision: entries[50].revision, at: start)
        }
        try writer.close()
    }

    @Test("Archive to JSON Lines to archive: everything is the same, also a second time", arguments: 0..<8)
    func roundTrip(seed: UInt64) throws {
        let archive = try TestArchive()
        try Self.fill(archive.path, seed: seed)
        let expected = try Self.contents(archive.path)
        let lines = try Self.export(archive.path)
        let copy = archive.directory + "/copy.cistern"
        let report = try Self.importing(lines, into: copy)
        #expect(report.added == 900 && report.present == 0)
        #expect(try Self.contents(copy) == expected)
        #expect(try Self.export(copy) == lines)
        #expect(try ArchiveReader.open(path: copy).verify().isSound)
        let again = try Self.importing(lines, into: copy, piece: 1 << 20)
        #expect(again.added == 0 && again.present == 900)
        #expect(try Self.contents(copy) == expected)
    }

    @Test("A pruned archive comes back with the points that were kept, and claims no others", arguments: 0..<6)
    func pruned(seed: UInt64) throws {
        let archive = try TestArchive()
        var random = SeededGenerator(seed: seed)
        let entries = random.entries(600, keys: 30)
        let writer = try ArchiveWriter.open(path: archive.path, createIfMissing: true)
        let incarnation = try writer.incarnation(cluster: "c", bucket: BucketName("b"), created: "2026-11-01T12:00:00Z")
        try writer.recordConfiguration(
            incarnation.id,
            json: #"{"max_msgs_per_subject":2}"#,
            revision: 0,
            time: Timestamp(nanoseconds: 0)
        )
        for start in stride(from: 0, to: 600, by: 50) {
            let part = Array(entries[start..<start + 50])
            let last = try #require(part.last)
            let time = last.time.adding(nanoseconds: 5_000_000)
            try writer.commit(
                try TestArchive.segments(part),
                incarnation.id,
                checkpoint: Checkpoint(
                    resumeRevision: last.revision,
                    consistentRevision: last.revision,
                    consistentTime: time,
                    updated: time
                )
            )
        }
        try writer.prune(RetentionPolicy(last: 4))
        try writer.close()
        let expected = try Self.contents(archive.path)
        #expect(expected.first?.exactFrom ?? 0 > 0)
        let copy = archive.directory + "/copy.cistern"
        let lines = try Self.export(archive.path)
        #expect(throws: ArchiveError.self) { try Self.importing(Array(lines[..<(lines.count / 2)]), into: copy) }
        try Self.importing(lines, into: copy)
        #expect(try Self.contents(copy) == expected)
        #expect(try Self.export(copy) == lines)
        let reader = try ArchiveReader.open(path: copy)
        #expect(try reader.verify().isSound)
        let id = try #require(try reader.incarnations().first).id
        #expect(throws: ArchiveError.self) { try reader.resolve(.revision(entries[10].revision), in: id) }
    }

    @Test("An export up to a point, and what the bucket held there, become archives that hold that point")
    func points() throws {
        let archive = try TestArchive()
        var random = SeededGenerator(seed: 9)
        let entries = random.entries(400)
        try archive.fill(entries, configuration: #"{"max_msgs_per_subject":3}"#)
        let reader = try ArchiveReader.open(path: archive.path)
        let incarnation = try #require(try reader.incarnations().first)
        let revision = entries[250].revision
        let expected = try reader.digest(of: incarnation.id, at: revision)
        for history in [HistoryMode.full, .bucket] {
            var options = ArchiveExport.Options()
            options.point = .revision(revision)
            options.history = history
            let copy = archive.directory + "/\(history.rawValue).cistern"
            try Self.importing(try Self.export(archive.path, options), into: copy)
            let copied = try ArchiveReader.open(path: copy)
            let id = try #require(try copied.incarnations().first).id
            #expect(try copied.resolve(.newest, in: id) == revision)
            #expect(try copied.digest(of: id, at: revision) == expected)
        }
    }

    @Test("An import that was cut off claims nothing, and goes on when it is run again", arguments: 0..<10)
    func cutOff(seed: UInt64) throws {
        let archive = try TestArchive()
        try Self.fill(archive.path, seed: 77)
        let lines = try Self.export(archive.path)
        var random = SeededGenerator(seed: seed)
        let copy = archive.directory + "/copy.cistern"
        let length = Int.random(in: 0..<lines.count - 1, using: &random)
        #expect(throws: ArchiveError.self) { try Self.importing(Array(lines[..<length]), into: copy) }
        let reader = try ArchiveReader.open(path: copy)
        #expect(try reader.verify().isSound)
        if let last = try reader.incarnations().last {
            let text = String(decoding: lines[..<length], as: UTF8.self)
            let ended = text.components(separatedBy: #"{"type":"end""#).count - 1
            if try reader.incarnations().count > ended {
                #expect(try reader.checkpoint(last.id)?.consistentRevision == nil)
            }
        }
        try Self.importing(lines, into: copy)
        #expect(try Self.contents(copy) == (try Self.contents(archive.path)))
    }

    @Test("An archive that goes on keeps what it had; lines that say something else are refused")
    func additions() throws {
        let archive = try TestArchive()
        var random = SeededGenerator(seed: 4)
        let entries = random.entries(300)
        try archive.fill(Array(entries.prefix(120)))
        let early = try Self.export(archive.path)
        let longer = archive.directory + "/longer.cistern"
        try Self.importing(early, into: longer)
        let whole = try TestArchive()
        try whole.fill(entries)
        let late = try Self.export(whole.path)
        let report = try Self.importing(late, into: longer)
        #expect(report.present == 120 && report.added == 180)
        // An older export of the same changes nothing.
        #expect(try Self.importing(early, into: longer).added == 0)
        #expect(try Self.contents(longer) == (try Self.contents(whole.path)))
        var changed = entries
        changed[50].value.append(1)
        let other = try TestArchive()
        try other.fill(changed)
        #expect(throws: ArchiveError.self) { try Self.importing(try Self.export(other.path), into: longer) }
        changed.remove(at: 50)
        let fewer = try TestArchive()
        try fewer.fill(changed)
        #expect(throws: ArchiveError.self) { try Self.importing(try Self.export(fewer.path), into: longer) }
        #expect(try Self.contents(longer) == (try Self.contents(whole.path)))
    }
}
