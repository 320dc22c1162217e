import Foundation
import Schedule
import Testing

private struct Refusal: Sendable, CustomTestStringConvertible {
    let text: String
    let message: String
    var testDescription: String { text }

    init(_ text: String, _ message: String) {
        self.text = text
        self.message = message
    }
}

private let sample =
    "write minute, hour, day of month, month and day of week, such as \"0 3 * * *\", with the second "
    + "before them if it matters; or \"@every 15m\", always or manual"

private let refusals = [
    Refusal("", "the schedule is empty: write for example \"0 3 * * *\", \"@every 15m\", always or manual"),
    Refusal(" ", "the schedule is empty: write for example \"0 3 * * *\", \"@every 15m\", always or manual"),
    Refusal("0 3 * *", "\"0 3 * *\" has 4 fields: \(sample)"),
    Refusal("nightly", "\"nightly\" has 1 field: \(sample)"),
    Refusal("0 0 3 * * * 2026", "\"0 0 3 * * * 2026\" has 7 fields: \(sample)"),
    Refusal("75 * * * *", "\"75 * * * *\": minute 75 (field 1): 0 to 59"),
    Refusal("60 75 * * * *", "\"60 75 * * * *\": second 60 (field 1): 0 to 59"),
    Refusal("0 75 * * * *", "\"0 75 * * * *\": minute 75 (field 2): 0 to 59"),
    Refusal("0 24 * * *", "\"0 24 * * *\": hour 24 (field 2): 0 to 23"),
    Refusal("0 0 0 * *", "\"0 0 0 * *\": day of month 0 (field 3): 1 to 31, or L for the last day"),
    Refusal("0 0 L-3 * *", "\"0 0 L-3 * *\": day of month L-3 (field 3): 1 to 31, or L for the last day"),
    Refusal(
        "0 0 15W * *",
        "\"0 0 15W * *\": day of month 15W (field 3): the nearest weekday (W) is not supported; write a day, 1 to 31"
    ),
    Refusal("0 0 1 13 *", "\"0 0 1 13 *\": month 13 (field 4): 1 to 12, or jan to dec"),
    Refusal("0 0 1 june *", "\"0 0 1 june *\": month june (field 4): 1 to 12, or jan to dec"),
    Refusal(
        "0 0 * * 8",
        "\"0 0 * * 8\": day of week 8 (field 5): 0 to 7, 0 and 7 for Sunday, or sun to sat"
    ),
    Refusal(
        "0 0 * * mon-x",
        "\"0 0 * * mon-x\": day of week mon-x (field 5): 0 to 7, 0 and 7 for Sunday, or sun to sat"
    ),
    Refusal(
        "0 0 * * L",
        "\"0 0 * * L\": day of week L (field 5): L comes after a day, such as 5L or friL for the last Friday"
    ),
    Refusal(
        "0 0 * * mon#6",
        "\"0 0 * * mon#6\": day of week mon#6 (field 5): "
            + "after # comes a number from 1 to 5, such as mon#2 for the second"
    ),
    Refusal("*/0 * * * *", "\"*/0 * * * *\": minute */0 (field 1): a step is a number from 1 to 59"),
    Refusal("*/60 * * * *", "\"*/60 * * * *\": minute */60 (field 1): a step is a number from 1 to 59"),
    Refusal("*/+5 * * * *", "\"*/+5 * * * *\": minute */+5 (field 1): a step is a number from 1 to 59"),
    Refusal("0 1/x * * *", "\"0 1/x * * *\": hour 1/x (field 2): a step is a number from 1 to 23"),
    Refusal(
        "1,,2 * * * *",
        "\"1,,2 * * * *\": minute 1,,2 (field 1): something is missing next to a comma; write for example 1,15"
    ),
    Refusal("-5 * * * *", "\"-5 * * * *\": minute -5 (field 1): 0 to 59"),
    Refusal("1-2-3 * * * *", "\"1-2-3 * * * *\": minute 1-2-3 (field 1): 0 to 59"),
    Refusal("\u{0661} * * * *", "\"\u{0661} * * * *\": minute \u{0661} (field 1): 0 to 59"),
    Refusal(
        "99999999999999999999 * * * *",
        "\"99999999999999999999 * * * *\": minute 99999999999999999999 (field 1): 0 to 59"
    ),
    Refusal(
        "? * * * *",
        "\"? * * * *\": minute ? (field 1): ? stands alone for a day that is left open; write * here"
    ),
    Refusal(
        "0 0 30 2 *",
        "\"0 0 30 2 *\" never comes: its months have no such day; L is the last day of every month"
    ),
    Refusal(
        "0 0 31 4,6,9,11 *",
        "\"0 0 31 4,6,9,11 *\" never comes: its months have no such day; L is the last day of every month"
    ),
    Refusal(
        "@reboot",
        "\"@reboot\" is not a schedule: write @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, "
            + "\"@every 15m\", always or manual"
    ),
    Refusal(
        "@every",
        "\"@every \" is not a schedule: write a span of at least 1s, such as 90s, 15m, 1h30m, 2d or 1w"
    ),
    Refusal(
        "@every 500ms",
        "\"@every 500ms\" is not a schedule: write a span of at least 1s, such as 90s, 15m, 1h30m, 2d or 1w"
    ),
    Refusal(
        "@every 90",
        "\"@every 90\" is not a schedule: write a span of at least 1s, such as 90s, 15m, 1h30m, 2d or 1w"
    ),
    Refusal(
        "@every 99999999999w",
        "\"@every 99999999999w\" is not a schedule: write a span of at least 1s, such as 90s, 15m, 1h30m, 2d or 1w"
    ),
]

@Suite struct RecurrenceTests {
    @Test("What is wrong is said, where it is, and what would be right", arguments: refusals)
    private func refuses(_ row: Refusal) throws {
        let error = #expect(throws: ScheduleError.self) { try Recurrence(parsing: row.text, in: .gmt) }
        #expect(error?.description == row.message)
    }

    @Test(
        "Words beside cron expressions",
        arguments: [
            ("always", Recurrence.always), ("Manual", .manual), ("@every 90s", .every(90_000_000_000)),
            ("@every 1h30m", .every(5_400_000_000_000)), ("@every 2d", .every(172_800_000_000_000)),
            ("@every 1s500ms", .every(1_500_000_000)),
        ]
    )
    func reads(_ text: String, _ expected: Recurrence) throws {
        #expect(try Recurrence(parsing: text, in: .gmt) == expected)
    }

    @Test(
        "A recurrence is shown as somebody would write it",
        arguments: ["0 3 * * fri#2", "@daily", "@every 1m30s", "@every 2w", "@every 1d12h", "always", "manual"]
    )
    func shows(_ text: String) throws {
        let recurrence = try Recurrence(parsing: text, in: .gmt)
        #expect(recurrence.description == text)
    }

    @Test("An interval comes at its multiples since 1970")
    func multiples() throws {
        let quarter = try Recurrence(parsing: "@every 15m", in: .gmt)
        #expect(quarter.next(after: try moment("2026-11-22T10:15:00Z")) == (try moment("2026-11-22T10:30:00Z")))
        #expect(quarter.next(after: try moment("2026-11-22T10:29:59Z")) == (try moment("2026-11-22T10:30:00Z")))
        #expect(quarter.next(after: -1) == 0)
        #expect(quarter.next(after: 0) == 900_000_000_000)
        #expect(quarter.next(after: .max) == nil)
        #expect(Recurrence.every(0).next(after: 5) == nil)
        #expect(Recurrence.every(1).next(after: .max) == nil)
        #expect(Recurrence.every(.max).next(after: .min) == -.max)
    }

    @Test("The latest time of a span is the one that none follows in it")
    func latest() throws {
        let berlin = try #require(TimeZone(identifier: "Europe/Berlin"))
        let begin = try moment("2020-01-01T00:00:00Z")
        var generator = SeededGenerator(seed: 3)
        for text in ["* * 3 * * *", "*/5 * * * *", "30 2 * * *", "0 0 29 2 *", "0 4 L * fri", "@every 7s", "@every 9d"]
        {
            let recurrence = try Recurrence(parsing: text, in: berlin)
            for _ in 0..<50 {
                let until = begin + Int64.random(in: 0...200_000_000, using: &generator) * 1_000_000_000
                let first = recurrence.next(after: begin - 1)
                guard let latest = recurrence.latest(until: until, notBefore: begin) else {
                    #expect(first.map { $0 > until } ?? true)
                    continue
                }
                #expect(latest <= until && latest >= begin)
                #expect(recurrence.next(after: latest - 1) == latest)
                #expect(recurrence.next(after: latest).map { $0 > until } ?? true, "\(text) until \(until)")
            }
        }
        #expect(Recurrence.every(60).latest(until: 120, notBefore: 120) == 120)
        #expect(Recurrence.every(60).latest(until: 179, notBefore: 121) == nil)
        #expect(Recurrence.every(.max).latest(until: .min, notBefore: .min) == nil)
        #expect(Recurrence.manual.latest(until: 100, notBefore: 0) == nil)
        #expect(try Recurrence(parsing: "@yearly", in: .gmt).latest(until: .max, notBefore: .min + 1) != nil)
    }

    @Test("A cron expression is reckoned in its zone; what runs always or when asked has no times")
    func zones() throws {
        let zone = try #require(TimeZone(identifier: "Asia/Kathmandu"))
        let nightly = try Recurrence(parsing: "0 3 * * *", in: zone)
        #expect(
            nightly.next(after: try moment("2026-11-22T00:00:00+05:45")) == (try moment("2026-11-22T03:00:00+05:45"))
        )
        #expect(Recurrence.always.next(after: 0) == nil)
        #expect(Recurrence.manual.next(after: 0) == nil)
    }
}
