import Foundation
import KVModel
import Testing

@testable import Archive

@Suite("Lines that cannot be imported")
struct InterchangeLineTests {
    static let header = #"{"type":"cistern-export","version":1,"incarnations":1}"#
    static let incarnation = #"""
        {"type":"incarnation","cluster":"c","bucket":"b","created":"2026-01-01T00:00:00Z","resume_revision":9,\#
        "consistent_revision":9,"updated":"2026-01-01T00:00:00Z"}
        """#
    static func entry(_ revision: Int, _ rest: String = #","value":"v""#) -> String {
        #"{"type":"entry","revision":\#(revision),"time":"2026-01-01T00:00:00Z","operation":"put","key":"k"\#(rest)}"#
    }

    /// Lines, the number of the one that is wrong, and a word that the message must have.
    static let bad: [(lines: [String], number: Int, word: String)] = [
        ([], 1, "holds nothing"),
        (["hello"], 1, "not JSON"),
        ([incarnation], 1, "no export"),
        ([#"{"type":"cistern-export","version":2,"incarnations":1}"#], 1, "version is 2"),
        ([#"{"type":"cistern-export","version":1}"#], 1, "incarnations"),
        ([header, header], 2, "second"),
        ([header], 1, "cut off"),
        ([header, incarnation], 2, "cut off"),
        ([header, #"{"type":"surprise"}"#], 2, "surprise"),
        ([header, "{}"], 2, "type"),
        ([header, entry(1)], 2, "before any incarnation"),
        ([header, incarnation, incarnation], 3, "no end"),
        ([header, incarnation, entry(1), entry(1)], 4, "does not follow"),
        ([header, incarnation, entry(10)], 3, "resume_revision"),
        ([header, incarnation, entry(-1)], 3, "whole number"),
        ([header, incarnation, entry(1, #","value":"\ud800""#)], 3, "surrogate"),
        ([header, incarnation, entry(1, #","value":"\q""#)], 3, "escape"),
        ([header, incarnation, entry(1, #","value":"cut"#)], 3, "too early"),
        ([header, incarnation, entry(1, #","value_base64":"a""#)], 3, "Base64"),
        ([header, incarnation, entry(1, #","value_base64":"QQ=Q""#)], 3, "Base64"),
        ([header, incarnation, entry(1, #","value":7"#)], 3, "string"),
        ([header, incarnation, entry(1, #","headers":[{"name":"a:b","value":"c"}]"#)], 3, "header"),
        ([header, incarnation, entry(1, #","headers":[{"name":"KV-Operation","value":"DEL"}]"#)], 3, "operation"),
        ([header, incarnation, entry(1) + "x"], 3, "behind"),
        ([header, incarnation, entry(1).replacingOccurrences(of: "2026", with: "when")], 3, "time"),
        ([header, incarnation, entry(1).replacingOccurrences(of: #""k""#, with: #""""#)], 3, "needs"),
        ([header, incarnation, entry(1).replacingOccurrences(of: "put", with: "get")], 3, "operation"),
        ([header, incarnation, entry(1), #"{"type":"end","entries":2}"#], 4, "2 entries"),
        ([header, incarnation, #"{"type":"configuration","revision":0,"time":1,"json":"{"}"#], 3, "configuration"),
        (
            [
                header, incarnation,
                #"{"type":"removal","first":3,"last":2,"since_revision":0,"since_time":0,"seen_revision":4,"seen_time":1}"#,
            ], 3,
            "ends before"
        ),
        ([header, incarnation, #"{"type":"tag","name":"t","revision":10,"tagged":1}"#], 3, "revision"),
        ([header, incarnation.replacingOccurrences(of: #""b""#, with: #""b b""#)], 2, "bucket name"),
        ([header, incarnation.replacingOccurrences(of: #":9,"con"#, with: #":8,"con"#)], 2, "consistent_revision"),
        (
            [
                header, incarnation.replacingOccurrences(of: #"revision":9,"up"#, with: #"revision":4,"up"#),
                #"{"type":"point","revision":5,"time":"2026-01-01T00:00:00Z"}"#,
            ], 3,
            "consistent_revision"
        ),
        (
            [
                header, incarnation.dropLast() + #","exact_from":9}"#,
                #"{"type":"point","revision":9,"time":"2026-01-01T00:00:00Z","entries":2}"#,
                #"{"type":"held","revision":9,"ranges":[[1,2]]}"#, entry(1), #"{"type":"end","entries":1}"#,
            ], 6,
            "of 2 entries held at the point of revision 9, 1"
        ),
        ([header, incarnation.dropLast() + #","filter":["a.>"]}"#], 2, "part"),
        ([header, incarnation.dropLast() + #","history":"latest"}"#], 2, "part"),
        ([header, String(repeating: "[", count: 100_000)], 2, "JSON"),
        ([header, #"{"x":"# + String(repeating: "[", count: 100_000)], 2, "deeply"),
    ]

    @Test("Each is named with its number and says what is wrong", arguments: bad.indices)
    func message(index: Int) throws {
        let (lines, number, word) = Self.bad[index]
        let archive = try TestArchive()
        let error = #expect(throws: ArchiveError.self) {
            try InterchangeTests.importing(Array(lines.joined(separator: "\n").utf8), into: archive.path)
        }
        guard case .malformedInput(let line, _) = error?.code else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(line == number, "\(String(describing: error))")
        #expect(error?.description.contains(word) == true, "\(String(describing: error))")
        let reader = try ArchiveReader.open(path: archive.path)
        #expect(try reader.verify().isSound)
        for incarnation in try reader.incarnations() {
            #expect(try reader.checkpoint(incarnation.id)?.consistentRevision == nil)
        }
    }

    @Test("What other tools write of the same is taken: spaces, other orders, unknown names, escapes, no headers")
    func tolerant() throws {
        let lines = [
            #" { "version" : 1, "incarnations": 1, "type":"cistern-export" }"#,
            Self.incarnation, "",
            #"{"key":"\u006b\ud83d\ude00","x":{"y":[1,-2.5e3,null,true,"\""]},"value":"\u00e9\/","revision":3,"#
                + #""operation":"put","time":"2026-01-01T01:00:00+01:00","type":"entry"}"#,
            #"{"type":"entry","revision":4,"time":1790000000000000001,"operation":"purge","key":"k"}"#,
            #"{"type":"end","entries":2}"#,
        ]
        let archive = try TestArchive()
        try InterchangeTests.importing(Array(lines.joined(separator: "\r\n").utf8), into: archive.path)
        let reader = try ArchiveReader.open(path: archive.path)
        let id = try #require(try reader.incarnations().first).id
        let entries = try TestArchive.entries(try reader.state(of: id, at: 9, historyMode: .full))
        #expect(entries.map(\.key) == [Key("k\u{1F600}"), Key("k")])
        #expect(entries.map(\.value) == [Array("\u{e9}/".utf8), []])
        #expect(entries[0].time == Timestamp(rfc3339: "2026-01-01T00:00:00Z"))
        #expect(entries[1].time.nanoseconds == 1_790_000_000_000_000_001)
        #expect(entries[1].headers == Array("NATS/1.0\r\nKV-Operation: PURGE\r\nNats-Rollup: sub\r\n\r\n".utf8))
    }

    @Test("A line beyond the limit is refused, not held")
    func longLine() throws {
        var given = 0
        var lines = LineSplitter(limit: 5000) { room in
            given += room.count
            room.initializeMemory(as: UInt8.self, repeating: 65)
            return room.count
        }
        #expect(throws: LineDamage.self) { _ = try lines.next { _ in } }
        #expect(given < 4 << 20)
    }

    @Test("Changed bytes give an error or an archive, never a trap, and nothing that is not sound")
    func mutations() throws {
        let archive = try TestArchive()
        try InterchangeTests.fill(archive.path, seed: 3, count: 210)
        let whole = try InterchangeTests.export(archive.path)
        let lines = whole.split(separator: 10).map { Array($0) }
        var random = SeededGenerator(seed: 2026)
        var line = InterchangeLine()
        var readable = 0
        let rounds = ProcessInfo.processInfo.environment["CISTERN_LONG"] == nil ? 20_000 : 2_000_000
        for _ in 0..<rounds {
            let index = Int.random(in: 0..<lines.count, using: &random)
            let changed = Self.mutated(lines[index], lines, &random)
            do {
                try changed.withUnsafeBytes { try line.read($0) }
                readable += 1
            } catch let error as LineDamage {
                #expect(!error.description.isEmpty)
            }
        }
        #expect(readable > rounds / 100)
        for round in 0..<rounds / 1000 {
            var all = lines
            for _ in 0...Int.random(in: 0...2, using: &random) {
                let index = Int.random(in: 0..<all.count, using: &random)
                switch Int.random(in: 0...3, using: &random) {
                case 0: all.remove(at: index)
                case 1: all.insert(all[index], at: index)
                case 2: all.swapAt(index, Int.random(in: 0..<all.count, using: &random))
                default: all[index] = Self.mutated(all[index], lines, &random)
                }
            }
            let path = archive.directory + "/mutated-\(round).cistern"
            do {
                try InterchangeTests.importing(Array(all.joined(separator: [10])), into: path, piece: 1 << 20)
            } catch let error as ArchiveError {
                #expect(!error.description.isEmpty)
            }
            #expect(try ArchiveReader.open(path: path).verify().isSound)
            try FileManager.default.removeItem(atPath: path)
        }
    }

    private static let pieces = [
        #"""#, "\\", "{", "}", "[", "]", ",", ":", "\\u", "null", "-", "e9", "\u{0}", "99999999999999999999",
    ]

    private static func mutated(_ line: [UInt8], _ lines: [[UInt8]], _ random: inout SeededGenerator) -> [UInt8] {
        var line = line
        for _ in 0...Int.random(in: 0...3, using: &random) {
            guard !line.isEmpty else { break }
            let index = Int.random(in: 0..<line.count, using: &random)
            switch Int.random(in: 0...5, using: &random) {
            case 0: line[index] = UInt8.random(in: .min ... .max, using: &random)
            case 1: line[index] ^= 1 << UInt8.random(in: 0...7, using: &random)
            case 2: line.removeSubrange(index..<min(line.count, index + Int.random(in: 1...20, using: &random)))
            case 3: line.insert(contentsOf: Array((pieces.randomElement(using: &random) ?? "").utf8), at: index)
            case 4: line.removeLast(line.count - index)
            default:
                let other = lines[Int.random(in: 0..<lines.count, using: &random)]
                let start = Int.random(in: 0..<other.count, using: &random)
                line.insert(contentsOf: other[start..<min(other.count, start + 30)], at: index)
            }
        }
        return line
    }

    @Test("Base64 and times come back as they were")
    func codings() throws {
        var random = SeededGenerator(seed: 1)
        for count in 0..<200 {
            let bytes = random.bytes(count)
            var letters: [UInt8] = []
            bytes.withUnsafeBytes { Base64.encode($0, into: &letters) }
            #expect(String(decoding: letters, as: UTF8.self) == Data(bytes).base64EncodedString())
            var decoded: [UInt8] = []
            #expect(letters.withUnsafeBytes { Base64.decode($0, into: &decoded) } && decoded == bytes)
        }
        var writer = TimeText()
        var reader = TimeText()
        for _ in 0..<2000 {
            let time = Timestamp(nanoseconds: Int64.random(in: TimeText.range, using: &random))
            for step in [Int64(0), 1, -1, 999_999_999, 500_000_000] {
                let near = time.adding(nanoseconds: step)
                guard TimeText.range.contains(near.nanoseconds) else { continue }
                var text: [UInt8] = []
                writer.append(near, to: &text)
                #expect(String(decoding: text, as: UTF8.self) == near.description)
                #expect(text.withUnsafeBytes { reader.parse($0) } == near)
            }
        }
    }

    @Test("Text is told from bytes as the standard library tells it")
    func textBytes() {
        var random = SeededGenerator(seed: 8)
        let alphabet = Array("a\u{e9}\u{20ac}\u{1F600}\"\\\n\u{1}\u{7f}".utf8) + [0xed, 0xa0, 0x80, 0xc0, 0xff]
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...24, using: &random)).map { _ in
                alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
            }
            let isUTF8 = String(validating: bytes, as: UTF8.self) != nil
            #expect(bytes.withUnsafeBytes(TextBytes.isUTF8) == isUTF8)
            let hasControls = bytes.contains { ($0 < 32 && ![9, 10, 13].contains($0)) || $0 == 127 }
            #expect((bytes.withUnsafeBytes(TextBytes.kind) != .binary) == (isUTF8 && !hasControls))
        }
    }
}
