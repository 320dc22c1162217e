import Crypto
import Foundation
import GRDB
import KVModel
import Schedule
import Testing

@testable import Archive

/// An archive of everything: points, a prune and what it wrote down, tags, removals, merged and small segments; and all
/// that it answers while it is whole, to hold damaged copies against.
struct GoldenArchive: ~Copyable {
    /// What came of a damage.
    enum Outcome {
        /// Nothing that can be read has changed.
        case harmless
        /// Verification reports it.
        case reported
        /// The file opens no more, which every command says.
        case unopened
    }

    /// Something to ask an archive, each by itself: what one refuses, another one may still answer.
    private struct Question {
        let name: String
        let ask: (ArchiveReader) throws -> String
    }

    /// What is listed row by row: each row is what was written, but one that a broken page hides is missing.
    ///
    /// `list` and `show` must show an archive that a repair could not save whole, so that a missing row is no error
    /// there; nothing is reckoned from these lists, and verification is what tells that they are not whole.
    private struct Listed: Equatable {
        var runs: [ArchiveRun]
        var configurations: [[ConfigurationRecord]]
    }

    /// A segment's row, and what digests say of its blobs.
    private struct StoredSegment: Equatable {
        var header: SegmentHeader
        var parts: SegmentParts
        /// Under another one nothing of it can be opened.
        var seal: SegmentSeal?
    }

    let bytes: Data
    private let archive: TestArchive
    private let key: ArchiveKey?
    private let id: IncarnationID
    private let names: [Key]
    private let stored: [StoredSegment]
    private let whole: [ClosedRange<Revision>: [Entry]]
    private let points: [Revision]
    private let answers: [String: String]
    private let proofs: [Revision: StateDigest]
    private let listed: Listed

    /// Makes one; the same entries every time.
    static func make(isEncrypted: Bool) throws -> GoldenArchive {
        let archive = try TestArchive()
        let key = isEncrypted ? try ArchiveKey.random() : nil
        let id = try fill(archive, key: key).incarnation.id
        let whole = try held(archive.path, id, key: key)
        let names = Set(whole.values.joined().map(\.key)).sorted()
        let reader = try ArchiveReader.open(path: archive.path, key: key)
        let proofs = try proofs(reader, id)
        let points = proofs.keys.sorted()
        var answers: [String: String] = [:]
        for question in questions(id, names, points) { answers[question.name] = try question.ask(reader) }
        return GoldenArchive(
            bytes: try Data(contentsOf: URL(fileURLWithPath: archive.path)),
            stored: try stored(archive.path).compactMap(\.self),
            points: points,
            answers: answers,
            proofs: proofs,
            listed: try listed(reader),
            names: names,
            whole: whole,
            id: id,
            key: key,
            archive: archive
        )
    }

    private init(
        bytes: Data,
        stored: [StoredSegment],
        points: [Revision],
        answers: [String: String],
        proofs: [Revision: StateDigest],
        listed: Listed,
        names: [Key],
        whole: [ClosedRange<Revision>: [Entry]],
        id: IncarnationID,
        key: ArchiveKey?,
        archive: consuming TestArchive
    ) {
        self.bytes = bytes
        self.stored = stored
        self.points = points
        self.answers = answers
        self.proofs = proofs
        self.listed = listed
        self.names = names
        self.whole = whole
        self.id = id
        self.key = key
        self.archive = archive
    }

    static func fill(_ archive: borrowing TestArchive, key: ArchiveKey?) throws -> RandomHistory {
        var history = try RandomHistory(seed: 21, path: archive.path, key: key)
        try history.grow(commits: 30)
        let writer = try ArchiveWriter.open(path: archive.path, key: key)
        try writer.prune(RetentionPolicy(last: 4, keepsTags: true), limits: SegmentBuilder.Limits(entries: 10))
        try writer.close()
        try history.grow(commits: 12)
        return history
    }

    /// The digests of some points, the newest among them.
    static func proofs(_ reader: ArchiveReader, _ id: IncarnationID) throws -> [Revision: StateDigest] {
        let points = try reader.snapshot().read { try $0.points(id).map(\.point.revision) }
        let chosen = points.enumerated().filter { $0.offset % 4 == 0 }.map(\.element) + points.suffix(1)
        return try chosen.reduce(into: [:]) { $0[$1] = try reader.digest(of: id, at: $1) }
    }

    /// What an archive holds of a bucket, segment by segment.
    static func held(
        _ path: String,
        _ id: IncarnationID,
        key: ArchiveKey? = nil
    ) throws -> [ClosedRange<Revision>: [Entry]] {
        let reader = try ArchiveReader.open(path: path, key: key)
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

    private static func questions(_ id: IncarnationID, _ names: [Key], _ points: [Revision]) -> [Question] {
        let newest = points.last ?? 0
        var questions = [
            Question(name: "checkpoint") { "\(String(describing: try $0.checkpoint(id)))" },
            Question(name: "summary") { "\(try $0.summary().buckets.map { ($0.checkpoint, $0.exactFrom, $0.tags) })" },
            Question(name: "tags") { "\(try $0.tags(of: id))" },
            Question(name: "configurations") { "\(try $0.configurations(of: id))" },
            Question(name: "removals") { "\(try $0.removals(of: id))" },
            Question(name: "migrations") { "\(try $0.migrationRecords(of: id))" },
            Question(name: "segments") { "\(try $0.segments(of: id))" },
            Question(name: "keys") { "\(try $0.keys(of: id, at: newest))" },
            Question(name: "export") { reader in
                var hash = SHA256()
                _ = try ArchiveExport(reader).run(reader.incarnations()) { hash.update(bufferPointer: $0) }
                return "\(hash.finalize())"
            },
        ]
        for name in names.prefix(3) {
            questions += [
                Question(name: "history of \(name)") { "\(try $0.history(of: name, in: id))" },
                Question(name: "latest \(name)") { "\(String(describing: try $0.latest(name, in: id)))" },
            ]
        }
        return questions
            + points.map { point in
                Question(name: "state of revision \(point)") { "\(try $0.digest(of: id, at: point))" }
            }
    }

    private static func listed(_ reader: ArchiveReader) throws -> Listed {
        let summary = try reader.summary()
        return Listed(runs: summary.runs, configurations: summary.buckets.map(\.configurations))
    }

    /// The segments that SQLite still reads with blobs that are what their rows say, one by one, as far as it can; found
    /// without `ArchiveRepair`.
    private static func stored(_ path: String, atMost count: Int = 1000) throws -> [StoredSegment?] {
        var configuration = Configuration()
        configuration.readonly = true
        let database = try DatabaseQueue(path: path, configuration: configuration)
        return (0..<count).flatMap { ordinal -> [StoredSegment?] in
            // What cannot be read is not intact, whatever the reason; what is read may have come to another bucket.
            let found = try? database.read { db in
                let sql = "SELECT \(SegmentRow.columns) FROM segment WHERE ordinal = ?"
                return try db.rows(sql, [ordinal]).map { stored -> StoredSegment? in
                    let row = try SegmentRow(stored, previous: [])
                    let blobs = try db.unchecked(SegmentBlob.allCases, of: row)
                    for (blob, data) in zip(SegmentBlob.allCases, blobs) { try row.parts.check(blob, data) }
                    return StoredSegment(header: row.header, parts: row.parts, seal: row.seal)
                }
            }
            return found ?? []
        }
    }

    /// Damages the archive, asks it everything, and saves what is left of it.
    @discardableResult
    func examine(_ damaged: Data, _ what: String) throws -> Outcome {
        try damaged.write(to: URL(fileURLWithPath: archive.path))
        // A page that a reader's log still has would hide the damage.
        for suffix in ["-wal", "-shm"] { unlink(archive.path + suffix) }
        let outcome = try expectRightAnswers(what)
        let target = archive.directory + "/saved.cistern"
        defer { for suffix in ["", "-wal", "-shm"] { unlink(target + suffix) } }
        try expectNothingIntactLost(target, isWhole: outcome == .harmless, what)
        return outcome
    }

    /// Commands that read must give right answers or errors, and verification must report what is wrong.
    private func expectRightAnswers(_ what: String) throws -> Outcome {
        let reader: ArchiveReader
        let isSound: Bool
        do {
            reader = try ArchiveReader.open(path: archive.path, key: key)
            isSound = try reader.verify().isSound
        } catch let error as ArchiveError {
            // What cannot be opened cannot be verified either.
            #expect(error.path == archive.path, "\(what): \(error)")
            return .unopened
        }
        for question in Self.questions(id, names, points) {
            do {
                let isRight = try question.ask(reader) == answers[question.name]
                #expect(
                    isRight,
                    "\(what): wrong \(question.name); for verification it is \(isSound ? "" : "not ")sound"
                )
            } catch let error as ArchiveError {
                #expect(!isSound, "\(what): \(question.name): \(error), and verification found nothing")
            }
        }
        #expect(try !isSound || Self.listed(reader) == listed, "\(what): nobody noticed")
        return isSound ? .harmless : .reported
    }

    private func expectNothingIntactLost(_ target: String, isWhole: Bool, _ what: String) throws {
        // Without a file that opens, nothing can be said to be intact.
        let found = (try? Self.stored(archive.path, atMost: stored.count)) ?? []
        let intact = stored.filter { found.contains($0) }
        do {
            let report = try ArchiveRepair.run(path: archive.path, to: target)
            let bucket = try #require(report.buckets.first { $0.incarnation.id == id }, "\(what)")
            let kept = try Self.stored(target, atMost: stored.count)
            for segment in intact {
                let range = segment.header.firstRevision...segment.header.lastRevision
                let isKept = kept.contains(segment)
                #expect(isKept, "\(what): revisions \(range) were not saved")
            }
            // Every revision is either here or said to be lost.
            let ranges = kept.compactMap { $0.map { $0.header.firstRevision...$0.header.lastRevision } }
            let missing = whole.filter { !ranges.contains($0.key) }.values.joined().map(\.revision)
            for revision in missing {
                let isSaid =
                    bucket.lost.contains { $0.contains(revision) } || (bucket.unknownAfter ?? .max) < revision
                #expect(isSaid, "\(what): revision \(revision) is missing, and nobody says so")
            }
            #expect(!isWhole || report.isWhole, "\(what): not saved whole: \(bucket)")
            try expectRightAnswers(ofRepaired: target, isWhole: missing.isEmpty && report.isWhole, what)
        } catch let error as ArchiveError {
            #expect(intact.isEmpty, "\(what): \(error)")
        }
    }

    private func expectRightAnswers(ofRepaired target: String, isWhole: Bool, _ what: String) throws {
        do {
            for (range, entries) in try Self.held(target, id, key: key) {
                #expect(whole[range] == entries, "\(what): \(range)")
            }
        } catch let error as ArchiveError {
            // Segments are saved without a key; of their data key, all copies may have gone.
            guard key != nil, !isWhole else { throw error }
            return
        }
        let reader = try ArchiveReader.open(path: target, key: key)
        for (revision, proof) in proofs {
            do {
                let digest = try reader.digest(of: id, at: revision)
                #expect(digest == proof, "\(what): another state of revision \(revision) after the repair")
            } catch is ArchiveError {
                #expect(!isWhole, "\(what): revision \(revision) is refused")
            }
        }
    }
}
