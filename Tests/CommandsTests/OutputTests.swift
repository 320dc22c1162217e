import Foundation
import KVModel
import Logging
import Testing

@testable import Commands

@Suite("Output")
struct OutputTests {
    @Test("A table aligns text left and numbers right, without spaces at line ends")
    func table() {
        var table = Table([.text("Key"), .number("Size"), .text("Note")])
        table.add(["a", "1,000", "x"])
        table.add(["long.key", "2"])
        #expect(table.lines() == ["KEY        SIZE  NOTE", "a         1,000  x", "long.key      2"])
        #expect(table.lines(isColored: true)[0] == "\u{1B}[1mKEY        SIZE  NOTE\u{1B}[0m")
        #expect(Table([.text("A")]).lines() == ["A"])
    }

    @Test("Cells cannot break a table")
    func hostileCells() {
        var table = Table([.text("Key")])
        table.add(["a\nb\u{1B}[31m", "too many"])
        #expect(table.lines() == ["KEY", "a\\nb\\u{1B}[31m"])
    }

    @Test("A table that is made twice looks like one that is held")
    func layout() {
        let columns: [Table.Column] = [.text("Key"), .number("Size")]
        let rows = [["a", "1,000"], ["é日.long", "2"], ["b"]]
        var table = Table(columns)
        for row in rows { table.add(row) }
        var layout = TableLayout(columns)
        for row in rows { layout.fit(row) }
        #expect([layout.heading(isColored: false)] + rows.map(layout.line) == table.lines())
    }

    @Test("Fields align their values")
    func fields() {
        var fields = FieldList()
        fields.add("A", "1")
        fields.add("Longer", "2")
        fields.add("None", nil)
        #expect(fields.lines(indent: 2) == ["  A:      1", "  Longer: 2"])
    }

    @Test(
        "What could steer a terminal is written out",
        arguments: [
            ("plain text é 日本", "plain text é 日本"), ("a\tb\r\n", "a\\tb\\r\\n"),
            ("\u{1B}]0;x\u{7}", "\\u{1B}]0;x\\u{7}"),
            ("\u{9B}1m", "\\u{9B}1m"), ("a\u{202E}b", "a\\u{202E}b"), ("\u{0}", "\\u{0}"), ("", ""),
        ]
    )
    func escaping(text: String, escaped: String) {
        #expect(text.escapedForTerminal == escaped)
    }

    @Test("No escaped text steers a terminal, whatever it was")
    func escapingProperty() {
        for value in 0..<0x3000 {
            guard let scalar = Unicode.Scalar(UInt32(value)) else { continue }
            let escaped = "a\(scalar)b".escapedForTerminal
            let steers = escaped.unicodeScalars.contains { $0.value < 32 || (127...159).contains($0.value) }
            guard steers || escaped.escapedForTerminal != escaped else { continue }
            Issue.record("U+\(String(value, radix: 16)) came out as \(escaped.debugDescription)")
        }
    }

    @Test(
        "Values are text where they are text, on one line, cut in the middle",
        arguments: [
            (Array("hello".utf8), 40, "hello"), ([], 40, ""), ([0xFF, 0x00], 40, "0xff00"),
            (Array("0123456789".utf8), 8, "012...89"),
            (Array("0123456789é".utf8), 8, "012...9é"), (Array("0123".utf8), 4, "0123"),
            (Array("012345".utf8), 5, "012345"), (Array("a\nb".utf8), 40, "a\\nb"),
            ([UInt8](repeating: 255, count: 100), 11, "0xffffffff…"),
        ] as [([UInt8], Int, String)]
    )
    func values(value: [UInt8], limit: Int, text: String) {
        #expect(ValueText.line(value, limit: limit) == text)
    }

    @Test(
        "Numbers have a comma every three digits",
        arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (-12_345, "-12,345")]
    )
    func numbers(number: Int, text: String) {
        #expect(NumberText.count(number) == text)
    }

    @Test("Counts agree with what they count")
    func plurals() {
        #expect(NumberText.count(1, "entry") == "1 entry")
        #expect(NumberText.count(2, "entry") == "2 entries")
        #expect(NumberText.count(0, "key") == "0 keys")
        #expect(NumberText.count(1000, "segment") == "1,000 segments")
    }

    @Test(
        "Durations have about three digits",
        arguments: [
            (Duration.zero, "0ms"), (.milliseconds(850), "850ms"), (.milliseconds(999.7), "1s"),
            (.seconds(12.34), "12.3s"), (.seconds(59.96), "1m00s"), (.seconds(245), "4m05s"),
            (.seconds(3599), "59m59s"),
            (.seconds(12_000), "3h20m"), (.seconds(200_000), "2d07h"), (.seconds(-3), "0ms"),
        ]
    )
    func durations(duration: Duration, text: String) {
        #expect(NumberText.duration(duration) == text)
    }

    @Test(
        "Rates are per second",
        arguments: [
            (1000, Duration.seconds(2), "500/s"), (5, .seconds(2), "2.5/s"),
            (1_000_000, .milliseconds(500), "2,000,000/s"),
            (10, .zero, ""),
        ]
    )
    func rates(number: Int, duration: Duration, text: String) {
        #expect(NumberText.rate(number, over: duration) == text)
    }

    @Test("A progress line says how far, how fast, how long")
    func progress() {
        var text = ProgressText(activity: "orders: reading", entries: 2500, total: 10_000, bytes: 1 << 20)
        #expect(
            text.line(elapsed: .seconds(5), width: 200)
                == "orders: reading  2,500 of 10,000 entries (25%)  1 MiB  500/s  15s left"
        )
        text.total = nil
        text.bytes = nil
        text.remark = "1 interruption"
        #expect(
            text.line(elapsed: .seconds(5), width: 200) == "orders: reading  2,500 entries  500/s  1 interruption"
        )
        #expect(text.line(elapsed: .seconds(5), width: 20).count == 20)
    }

    @Test("Time left is told only when it can be", arguments: [(0, 10, 5), (10, 10, 5), (5, 10, 0)])
    func unknownTimeLeft(entries: UInt64, total: UInt64, seconds: Int) {
        let text = ProgressText(activity: "x", entries: entries, total: total)
        #expect(text.timeLeft(after: .seconds(seconds)) == nil)
    }

    @Test(
        "Colours appear on terminals only, unless forced",
        arguments: [
            (ColorMode.auto, true, [:], true), (.auto, false, [:], false), (.auto, true, ["NO_COLOR": "1"], false),
            (.auto, true, ["NO_COLOR": ""], true), (.auto, true, ["TERM": "dumb"], false),
            (.always, false, ["NO_COLOR": "1"], true), (.never, true, [:], false),
        ] as [(ColorMode, Bool, [String: String], Bool)]
    )
    func colors(mode: ColorMode, isTerminal: Bool, environment: [String: String], colors: Bool) {
        #expect(mode.colors(isTerminal: isTerminal, environment: environment) == colors)
    }

    @Test("Log lines are text or JSON, and stay one line")
    func logLines() throws {
        let time = Timestamp(nanoseconds: 0)
        let fields: Logger.Metadata = ["b": "2", "a": "x\ny"]
        let text = StandardErrorLogHandler.line(.text, level: .info, message: "m", fields: fields, at: time)
        #expect(text == "1970-01-01T00:00:00Z info m a=x\\ny b=2")
        let json = StandardErrorLogHandler.line(.json, level: .error, message: "\"q\"", fields: fields, at: time)
        #expect(
            json == #"{"a":"x\ny","b":"2","level":"error","message":"\"q\"","time":"1970-01-01T00:00:00Z"}"#
        )
    }
}
