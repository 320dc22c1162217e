import Foundation
import GRDB
import KVModel
import Testing

@testable import Archive

private enum Question: CaseIterable {
    case keys
    case latest
    case history
    case state
    case latestState
    case extent
    case time
    case lastEntry
    case segments
}

private enum Answer: Equatable {
    case keys([KeyState])
    case latest([Entry?])
    case history([[Entry]])
    case state([Entry])
    case extent(BucketState.Extent)
    case time(Revision)
    case lastEntry(Revision, Timestamp, Key)
    case segments([SegmentSummary])
}

/// An archive of three segments that is damaged behind the back of whoever has it open, and asked all the same.
private struct DamagedArchive: ~Copyable {
    static let perSegment = 15
    let archive: TestArchive
    let incarnation: Incarnation
    let entries: [Entry]
    let reader: ArchiveReader
    let writer: ArchiveWriter
    let database: DatabaseQueue
    private var answers: [Question: Answer] = [:]

    static func make(seed: UInt64) throws -> DamagedArchive {
        var random = SeededGenerator(seed: seed)
        let entries = random.entries(perSegment * 3, keys: 6, valueBytes: 20)
        let archive = try TestArchive()
        let incarnation = try archive.fill(entries, perSegment: perSegment)
        var configuration = Configuration()
        configuration.foreignKeysEnabled = false
        let database = try DatabaseQueue(path: archive.path, configuration: configuration)
        try database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = OFF") }
        let reader = try ArchiveReader.open(path: archive.path)
        let writer = try ArchiveWriter.open(path: archive.path)
        var damaged = DamagedArchive(
            archive: archive,
            incarnation: incarnation,
            entries: entries,
            reader: reader,
            writer: writer,
            database: database
        )
        for question in Question.allCases { damaged.answers[question] = try damaged.answer(question) }
        return damaged
    }

    private init(
        archive: consuming TestArchive,
        incarnation: Incarnation,
        entries: [Entry],
        reader: ArchiveReader,
        writer: ArchiveWriter,
        database: DatabaseQueue
    ) {
        self.archive = archive
        self.incarnation = incarnation
        self.entries = entries
        self.reader = reader
        self.writer = writer
        self.database = database
    }

    func answer(_ question: Question) throws -> Answer {
        let id = incarnation.id
        let last = entries[entries.count - 1].revision
        let names = Set(entries.map(\.key)).sorted() + ["no.such.key"]
        switch question {
        case .keys: return .keys(try reader.keys(of: id, at: last))
        case .latest: return .latest(try names.map { try reader.latest($0, in: id) })
        case .history: return .history(try names.map { try reader.history(of: $0, in: id) })
        case .state: return .state(try TestArchive.entries(reader.state(of: id, at: last)))
        case .latestState:
            return .state(try TestArchive.entries(reader.state(of: id, at: last, historyMode: .latest)))
        case .extent:
            return .extent(try reader.state(of: id, at: last).extent(through: entries[20].revision))
        case .time: return .time(try reader.resolve(.time(entries[20].time), in: id))
        case .lastEntry:
            let entry = try #require(try writer.lastEntry(id))
            return .lastEntry(entry.revision, entry.time, entry.key)
        case .segments: return .segments(try reader.segments(of: id))
        }
    }

    /// Asks everything: each answer must be the right one, or an error that names the segment, as `mustFail` are.
    func expectNoWrongAnswer(_ segment: Int, mustFail: Set<Question>, _ what: String) throws {
        for question in Question.allCases {
            do {
                let given = try answer(question)
                #expect(given == answers[question], "\(question), \(what)")
                #expect(!mustFail.contains(question), "\(question) did not notice \(what)")
            } catch let error as ArchiveError {
                guard case .corrupt(let detail) = error.code else {
                    Issue.record("\(question), \(what): \(error)")
                    continue
                }
                #expect(detail.hasPrefix("segment \(segment) ("), "\(question), \(what): \(detail)")
                #expect(detail.contains("revision") && detail.contains("bucket orders"))
                #expect(error.path == archive.path)
            }
        }
    }

    /// The table with this column; in both, the rows of the segments have the same numbers.
    static func table(of column: String) -> String {
        SegmentBlob.allCases.map(\.column).contains(column) ? "segment_data" : "segment"
    }

    /// Stores a value in a column of a segment's row while the questions are asked.
    func replacing(_ column: String, of ordinal: Int, by replacement: DatabaseValue, _ body: () throws -> Void) throws {
        func store(_ value: DatabaseValue, at row: Int64) throws {
            try database.writeWithoutTransaction { db in
                let table = Self.table(of: column)
                try db.execute(sql: "UPDATE \(table) SET \(column) = ? WHERE id = ?", arguments: [value, row])
            }
        }
        let row = Int64(ordinal) + 1
        let original = try value(column, of: ordinal)
        try store(replacement, at: row)
        try body()
        try store(original, at: row)
    }

    func value(_ column: String, of ordinal: Int) throws -> DatabaseValue {
        let sql = "SELECT \(column) FROM \(Self.table(of: column)) WHERE id = ?"
        return try #require(try database.read { try DatabaseValue.fetchOne($0, sql: sql, arguments: [ordinal + 1]) })
    }

    func bytes(_ column: String, of ordinal: Int) throws -> Data {
        try #require(Data.fromDatabaseValue(try value(column, of: ordinal)))
    }
}

/// A blob and the questions whose answers all depend on it in every segment.
private let blobs: [(column: String, asked: Set<Question>)] = [
    ("body", [.keys, .state, .latestState, .extent]),
    ("key_filter", [.latest, .history]),
    ("value_blocks", [.state]),
    ("parts", [.keys, .latest, .history, .state, .latestState, .extent]),
    ("digest", Set(Question.allCases)),
]

@Test("A changed bit in any byte of a segment never makes a wrong answer", arguments: blobs.indices)
func changedBlob(_ index: Int) throws {
    let (column, asked) = blobs[index]
    var random = SeededGenerator(seed: 21)
    let damaged = try DamagedArchive.make(seed: 22)
    // The columns of the body are of both codings, so that both are damaged.
    let body = try damaged.bytes("body", of: 1)
    #expect(Set(SegmentFormat.Column.allCases.indices.map { body[20 + 10 * $0 + 1] }) == [0, 1])
    for ordinal in 0..<3 {
        let original = try damaged.bytes(column, of: ordinal)
        // Of the middle one every byte; of the others, of which one has no predecessor and one no successor, some.
        for offset in original.indices where ordinal == 1 || Int.random(in: 0..<8, using: &random) == 0 {
            var changed = original
            changed[offset] ^= 1 << UInt8.random(in: 0...7, using: &random)
            try damaged.replacing(column, of: ordinal, by: changed.databaseValue) {
                try damaged.expectNoWrongAnswer(ordinal, mustFail: asked, "byte \(offset) of \(column)")
            }
        }
        // Segments of the same keys have the same filter.
        let others = [Data(), original.dropLast(), original + [0], try damaged.bytes(column, of: (ordinal + 1) % 3)]
        for other in others where other != original {
            try damaged.replacing(column, of: ordinal, by: Data(other).databaseValue) {
                try damaged.expectNoWrongAnswer(ordinal, mustFail: asked, "\(other.count) bytes as \(column)")
            }
        }
    }
}

@Test(
    "A changed bit in a number of a segment's row is an error everywhere",
    arguments: [
        "incarnation", "ordinal", "first_revision", "last_revision", "first_time", "last_time", "entry_count",
        "raw_size", "filter_size", "body_size", "values_size",
    ]
)
func changedNumber(column: String) throws {
    let damaged = try DamagedArchive.make(seed: 23)
    for ordinal in 0..<3 {
        let original = try #require(Int64.fromDatabaseValue(try damaged.value(column, of: ordinal)))
        for bit in Array(stride(from: ordinal, to: 63, by: 4)) + [63] {
            let changed = original ^ Int64(bitPattern: 1 << UInt64(bit))
            // The place of another segment is taken.
            if column == "ordinal", (0..<3).contains(changed) { continue }
            // Before all others, the one that is found first where another must be is the first.
            let named = column == "ordinal" && changed < 0 ? 0 : ordinal
            try damaged.replacing(column, of: ordinal, by: changed.databaseValue) {
                try damaged.expectNoWrongAnswer(named, mustFail: Set(Question.allCases), "bit \(bit) of \(column)")
            }
        }
    }
}

@Test(
    "Segments that are gone or not in their places are an error everywhere",
    arguments: [
        ("DELETE FROM segment WHERE ordinal = 0", 0),
        ("DELETE FROM segment WHERE ordinal = 1", 1),
        ("DELETE FROM segment WHERE ordinal = 2", 2),
        ("DELETE FROM segment", 0),
        ("DELETE FROM segment WHERE ordinal = 0; UPDATE segment SET ordinal = ordinal - 1", 0),
        (
            """
            UPDATE segment SET ordinal = 9 WHERE ordinal = 1; UPDATE segment SET ordinal = 1 WHERE ordinal = 2;
            UPDATE segment SET ordinal = 2 WHERE ordinal = 9
            """, 1
        ),
        (
            """
            UPDATE segment SET (data, parts) =
            (SELECT data, parts FROM segment WHERE ordinal = 2) WHERE ordinal = 1
            """, 1
        ),
        (
            "INSERT INTO segment SELECT 4, incarnation, 3, first_revision, last_revision, first_time, last_time, "
                + "entry_count, raw_size, filter_size, body_size, values_size, digest, parts, data_key, seal, data "
                + "FROM segment WHERE ordinal = 2",
            3
        ),
    ]
)
func misplacedSegments(sql: String, segment: Int) throws {
    let damaged = try DamagedArchive.make(seed: 24)
    try damaged.database.writeWithoutTransaction { try $0.execute(sql: sql) }
    try damaged.expectNoWrongAnswer(segment, mustFail: Set(Question.allCases), sql)
    #expect(try !damaged.reader.verify().isSound)
}

@Test("A reader takes no chain that a checkpoint does not close")
func unclosedChain() throws {
    let damaged = try DamagedArchive.make(seed: 25)
    // What another writer's last segment would be: sound by itself, and not what the checkpoint names.
    let row = try damaged.reader.read { try #require(try $0.segments(of: damaged.incarnation).last) }
    var header = row.header
    header.rawSize += 1
    let digest = SegmentDigest.chained(
        header,
        row.sizes,
        row.parts,
        row.seal,
        ordinal: row.ordinal,
        previous: row.previous
    )
    try damaged.database.writeWithoutTransaction { db in
        try db.execute(
            sql: "UPDATE segment SET raw_size = ?, digest = ? WHERE ordinal = 2",
            arguments: [header.rawSize, Data(digest)]
        )
    }
    try damaged.expectNoWrongAnswer(3, mustFail: Set(Question.allCases), "another chain")
}

@Test("Verification says of each blob and of the row whether it is what was written, all in one report")
func everyDigestIsReported() throws {
    let damaged = try DamagedArchive.make(seed: 26)
    for ordinal in 0..<3 {
        for column in ["body", "value_blocks", "key_filter"] {
            var data = try damaged.bytes(column, of: ordinal)
            data[data.count - 1] ^= 1
            try damaged.database.writeWithoutTransaction { db in
                try db.execute(
                    sql: "UPDATE segment_data SET \(column) = ? WHERE id = ?",
                    arguments: [data, ordinal + 1]
                )
                try db.execute(sql: "UPDATE segment SET raw_size = 0 WHERE ordinal = ?", arguments: [ordinal])
            }
        }
    }
    let problems = try damaged.reader.verify().problems
    for ordinal in 0..<3 {
        let details = problems.filter { $0.segment == ordinal }.map(\.detail)
        for column in ["body", "value_blocks", "key_filter"] {
            #expect(details.contains("the digest of its column \(column) does not match"))
        }
        #expect(details.contains("the digest of its row does not match"))
    }
}

@Test("A broken link between the pages of a segment is a problem that names the segment, not an error")
func brokenOverflowPages() throws {
    let archive = try TestArchive()
    var random = SeededGenerator(seed: 5)
    try archive.fill(random.entries(400, valueBytes: 4000), perSegment: 200)
    let whole = try Data(contentsOf: URL(fileURLWithPath: archive.path))
    let pages = whole.count / 4096
    var named = 0
    for page in stride(from: pages / 3, to: pages - 2, by: 10) {
        var bytes = whole
        bytes[page * 4096] ^= 0x20
        try bytes.write(to: URL(fileURLWithPath: archive.path))
        let report = try ArchiveReader.open(path: archive.path).verify()
        #expect(!report.isSound, "page \(page)")
        if report.problems.contains(where: { $0.segment != nil }) { named += 1 }
    }
    #expect(named > 3)
}

@Test(
    "A value is read by itself: damage to others is not its own, and to its own is named",
    arguments: [false, true]
)
func valuesByThemselves(isEncrypted: Bool) throws {
    var random = SeededGenerator(seed: 77)
    let entries = (1...20).map { number in
        Entry(
            revision: UInt64(number),
            time: Timestamp(nanoseconds: Int64(number)),
            operation: .put,
            key: Key("k\(number)"),
            headers: [],
            value: (0..<400).map { _ in UInt8.random(in: 0...255, using: &random) }
        )
    }
    let archive = try TestArchive()
    let key = isEncrypted ? try ArchiveKey.random() : nil
    let id = try archive.fill(entries, key: key).id
    func value(_ name: Key) throws -> [UInt8]? {
        let reader = try ArchiveReader.open(path: archive.path, key: key)
        let latest = try reader.latest(name, in: id)?.value
        #expect(try reader.history(of: name, in: id).last?.value == latest)
        return latest
    }
    // The last byte, and what seals it, belongs to the last block.
    let flip = """
        UPDATE segment_data SET value_blocks = CAST(substr(value_blocks, 1, length(value_blocks) - 30)
        || zeroblob(4) || substr(value_blocks, length(value_blocks) - 25) AS BLOB)
        """
    try archive.tamper(flip)
    #expect(try value("k1") == entries[0].value)
    #expect { try value("k20") } throws: { error in
        "\(error)".contains("segment 0 (revisions 1 to 20)")
    }
    #expect(try !ArchiveReader.open(path: archive.path, key: key).verify().isSound)
    for change in ["CAST(value_blocks || zeroblob(1) AS BLOB)", "substr(value_blocks, 2)", "x''"] {
        let other = try TestArchive()
        let id = try other.fill(entries, key: key).id
        try other.tamper("UPDATE segment_data SET value_blocks = \(change)")
        let reader = try ArchiveReader.open(path: other.path, key: key)
        #expect(throws: ArchiveError.self, "\(change)") { try reader.latest("k1", in: id) }
        #expect(try !reader.verify().isSound)
    }
}
