import Foundation
import Schedule
import Testing

private struct Times: Sendable, CustomTestStringConvertible {
    let expression: String
    var zone = "GMT"
    let after: String
    let next: [String]
    var testDescription: String { "\(expression) in \(zone) after \(after)" }

    init(_ expression: String, _ zone: String = "GMT", after: String, _ next: [String]) {
        self.expression = expression
        self.zone = zone
        self.after = after
        self.next = next
    }
}

private let fields = [
    Times("* * * * *", after: "2026-11-22T10:15:59Z", ["2026-11-22T10:16:00Z", "2026-11-22T10:17:00Z"]),
    Times("*/15 * * * *", after: "2026-11-22T10:15:00Z", ["2026-11-22T10:30:00Z", "2026-11-22T10:45:00Z"]),
    Times("2-30/7 3 * * *", after: "2026-11-22T03:16:00Z", ["2026-11-22T03:23:00Z", "2026-11-22T03:30:00Z"]),
    Times("50/4 3 * * *", after: "2026-11-22T03:50:00Z", ["2026-11-22T03:54:00Z", "2026-11-22T03:58:00Z"]),
    Times("7/20 3 * * *", after: "2026-11-22T00:00:00Z", ["2026-11-22T03:07:00Z", "2026-11-22T03:27:00Z"]),
    Times("5,1,3 0 * * *", after: "2026-11-22T00:01:00Z", ["2026-11-22T00:03:00Z", "2026-11-22T00:05:00Z"]),
    Times("0 22-2 * * *", after: "2026-11-22T23:00:00Z", ["2026-11-23T00:00:00Z", "2026-11-23T01:00:00Z"]),
    Times("0 20-3/3 * * *", after: "2026-11-22T20:00:00Z", ["2026-11-22T23:00:00Z", "2026-11-23T02:00:00Z"]),
    Times("10 30 4 * * *", after: "2026-11-22T04:30:10Z", ["2026-11-23T04:30:10Z"]),
    Times("*/20 59 23 31 12 *", after: "2026-12-31T23:59:30Z", ["2026-12-31T23:59:40Z", "2027-12-31T23:59:00Z"]),
    Times("0 0 1 1,JUL *", after: "2026-11-22T00:00:00Z", ["2027-01-01T00:00:00Z", "2027-07-01T00:00:00Z"]),
    Times("0 0 1 nov-feb *", after: "2026-12-02T00:00:00Z", ["2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"]),
    Times("0 0 29 2 *", after: "2096-02-29T00:00:00Z", ["2104-02-29T00:00:00Z"]),
    Times("0 0 31 * *", after: "2026-01-31T00:00:00Z", ["2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z"]),
    Times("0 0 * * 7", after: "2026-11-16T00:00:00Z", ["2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z"]),
    Times("0 0 * * sun", after: "2026-11-16T00:00:00Z", ["2026-11-22T00:00:00Z"]),
    Times("0 0 * * 5-7", after: "2026-11-16T00:00:00Z", ["2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"]),
    Times("0 0 ? * fri-mon", after: "2026-11-21T00:00:00Z", ["2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"]),
    Times("0 0 ? * 7-1", after: "2026-11-22T00:00:00Z", ["2026-11-23T00:00:00Z", "2026-11-29T00:00:00Z"]),
    Times("0 0 13 * fri", after: "2026-11-12T00:00:00Z", ["2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z"]),
    Times("0 0 1 * ?", after: "2026-11-12T00:00:00Z", ["2026-12-01T00:00:00Z"]),
    Times("0 0 L * *", after: "2028-01-31T00:00:00Z", ["2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z"]),
    Times("0 0 15,l * *", after: "2026-02-01T00:00:00Z", ["2026-02-15T00:00:00Z", "2026-02-28T00:00:00Z"]),
    Times("0 0 * * 5L", after: "2026-11-01T00:00:00Z", ["2026-11-27T00:00:00Z", "2026-12-25T00:00:00Z"]),
    Times("0 0 * * FRIL", after: "2026-11-01T00:00:00Z", ["2026-11-27T00:00:00Z"]),
    Times("0 0 * * l7", after: "2026-11-01T00:00:00Z", ["2026-11-29T00:00:00Z"]),
    Times("0 0 * * mon#2", after: "2026-11-01T00:00:00Z", ["2026-11-09T00:00:00Z", "2026-12-14T00:00:00Z"]),
    Times("0 0 * * 1#5", after: "2026-11-01T00:00:00Z", ["2026-11-30T00:00:00Z", "2027-03-29T00:00:00Z"]),
    Times("0 0 * * tue,mon#5", after: "2026-11-24T00:00:00Z", ["2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z"]),
    Times("0 0 1 * mon#2", after: "2026-11-08T00:00:00Z", ["2026-11-09T00:00:00Z", "2026-12-01T00:00:00Z"]),
    Times("  0\t0 1  *   * ", after: "2026-11-12T00:00:00Z", ["2026-12-01T00:00:00Z"]),
    Times("0 0 1 1 *", after: "1969-06-01T00:00:00Z", ["1970-01-01T00:00:00Z", "1971-01-01T00:00:00Z"]),
    Times("@hourly", after: "2026-11-12T23:59:59Z", ["2026-11-13T00:00:00Z", "2026-11-13T01:00:00Z"]),
    Times("@daily", after: "2026-11-12T00:00:00Z", ["2026-11-13T00:00:00Z"]),
    Times("@Midnight", after: "2026-11-12T00:00:00Z", ["2026-11-13T00:00:00Z"]),
    Times("@weekly", after: "2026-11-22T00:00:00Z", ["2026-11-29T00:00:00Z"]),
    Times("@monthly", after: "2026-11-22T00:00:00Z", ["2026-12-01T00:00:00Z"]),
    Times("@yearly", after: "2026-11-22T00:00:00Z", ["2027-01-01T00:00:00Z"]),
    Times("@annually", after: "2026-11-22T00:00:00Z", ["2027-01-01T00:00:00Z"]),
]

private let berlin = "Europe/Berlin"
private let newYork = "America/New_York"
private let lordHowe = "Australia/Lord_Howe"

private let clockChanges = [
    // Clocks go from 2:00 to 3:00.
    Times(
        "30 2 * * *",
        berlin,
        after: "2026-03-28T12:00:00+01:00",
        ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]
    ),
    Times(
        "0,30 2,3 * * *",
        berlin,
        after: "2026-03-28T12:00:00+01:00",
        ["2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00", "2026-03-30T02:00:00+02:00"]
    ),
    Times(
        "* 30 2 * * *",
        berlin,
        after: "2026-03-28T12:00:00+01:00",
        ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00", "2026-03-30T02:30:01+02:00"]
    ),
    Times("30 2 29 3 *", berlin, after: "2026-03-29T03:00:00+02:00", ["2027-03-29T02:30:00+02:00"]),
    Times(
        "30 * * * *",
        berlin,
        after: "2026-03-29T00:30:00+01:00",
        ["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"]
    ),
    Times(
        "*/30 2 * * *",
        berlin,
        after: "2026-03-28T02:30:00+01:00",
        ["2026-03-30T02:00:00+02:00", "2026-03-30T02:30:00+02:00"]
    ),
    Times(
        "0 */2 * * *",
        berlin,
        after: "2026-03-29T00:00:00+01:00",
        ["2026-03-29T04:00:00+02:00"]
    ),
    // And from 3:00 to 2:00.
    Times(
        "30 2 * * *",
        berlin,
        after: "2026-10-24T12:00:00+02:00",
        ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]
    ),
    Times("30 2 * * *", berlin, after: "2026-10-25T02:10:00+01:00", ["2026-10-26T02:30:00+01:00"]),
    Times("0 3 * * *", berlin, after: "2026-10-25T02:30:00+02:00", ["2026-10-25T03:00:00+01:00"]),
    Times(
        "30 * * * *",
        berlin,
        after: "2026-10-25T01:30:00+02:00",
        ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"]
    ),
    Times(
        "*/30 2 * * *",
        berlin,
        after: "2026-10-25T02:00:00+02:00",
        ["2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00"]
    ),
    Times(
        "30 0-5 * * *",
        berlin,
        after: "2026-10-25T01:30:00+02:00",
        ["2026-10-25T02:30:00+02:00", "2026-10-25T03:30:00+01:00"]
    ),
    // 2:00 to 3:00, and 2:00 to 1:00.
    Times(
        "15 2 8 3 *",
        newYork,
        after: "2026-03-08T00:00:00-05:00",
        ["2026-03-08T03:00:00-04:00", "2027-03-08T02:15:00-05:00"]
    ),
    Times(
        "@hourly",
        newYork,
        after: "2026-03-08T00:30:00-05:00",
        ["2026-03-08T01:00:00-05:00", "2026-03-08T03:00:00-04:00"]
    ),
    Times(
        "0,30 1 * * *",
        newYork,
        after: "2026-11-01T00:00:00-04:00",
        ["2026-11-01T01:00:00-04:00", "2026-11-01T01:30:00-04:00", "2026-11-02T01:00:00-05:00"]
    ),
    Times(
        "@hourly",
        newYork,
        after: "2026-11-01T00:30:00-04:00",
        ["2026-11-01T01:00:00-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T02:00:00-05:00"]
    ),
    // 2:00 to 2:30, and 2:00 to 1:30.
    Times(
        "15 2 * * *",
        lordHowe,
        after: "2026-10-03T12:00:00+10:30",
        ["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"]
    ),
    Times(
        "*/15 * * * *",
        lordHowe,
        after: "2026-10-04T01:30:00+10:30",
        ["2026-10-04T01:45:00+10:30", "2026-10-04T02:30:00+11:00", "2026-10-04T02:45:00+11:00"]
    ),
    Times(
        "45 1 * * *",
        lordHowe,
        after: "2026-04-04T12:00:00+11:00",
        ["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"]
    ),
    Times(
        "*/15 * * * *",
        lordHowe,
        after: "2026-04-05T01:30:00+11:00",
        ["2026-04-05T01:45:00+11:00", "2026-04-05T01:30:00+10:30", "2026-04-05T01:45:00+10:30"]
    ),
    // A day that was left out: 2011-12-30.
    Times(
        "0 12 * * *",
        "Pacific/Apia",
        after: "2011-12-29T12:00:00-10:00",
        ["2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"]
    ),
    Times("0 */12 * * *", "Pacific/Apia", after: "2011-12-29T12:00:00-10:00", ["2011-12-31T00:00:00+14:00"]),
]

@Suite struct CronExpressionTests {
    @Test("What the fields say", arguments: fields)
    private func understandsFields(_ row: Times) throws {
        try check(row)
    }

    @Test("What becomes of times when clocks are changed", arguments: clockChanges)
    private func followsClockChanges(_ row: Times) throws {
        try check(row)
    }

    private func check(_ row: Times) throws {
        let expression = try CronExpression(row.expression)
        let zone = try #require(TimeZone(identifier: row.zone))
        var time = try moment(row.after)
        for expected in row.next {
            time = try #require(expression.next(after: time, in: zone))
            #expect(text(time) == text(try moment(expected)))
        }
    }

    @Test("A fraction of a second after a time is after it, one before it is before")
    func countsNanoseconds() throws {
        let expression = try CronExpression("0 12 * * *")
        let noon = try moment("2026-11-22T12:00:00Z")
        #expect(expression.next(after: noon - 1, in: .gmt) == noon)
        #expect(expression.next(after: noon + 1, in: .gmt) == noon + 86_400_000_000_000)
        let early = try CronExpression("0 0 1 1 *")
        #expect(early.next(after: -1, in: .gmt) == 0)
    }

    @Test("Beyond the last moment that nanoseconds can say there is nothing, before the first the first")
    func endsWithTime() throws {
        #expect(try CronExpression("0 0 1 1 *").next(after: .max, in: .gmt) == nil)
        #expect(try CronExpression("* * * * *").next(after: .max - 1_000_000_000, in: .gmt) == nil)
        #expect(try CronExpression("0 0 29 2 *").next(after: .max - 1, in: .gmt) == nil)
        let first = try #require(try CronExpression("* * * * *").next(after: .min, in: .gmt))
        #expect(first - .min < 60_000_000_000)
    }
}
