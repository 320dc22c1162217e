import Foundation
import Schedule
import Testing

/// Nanoseconds since 1970 of an RFC 3339 time.
private func time(_ text: String) throws -> Int64 {
    let date = try #require(try? Date(text, strategy: .iso8601))
    return Int64(date.timeIntervalSince1970) * 1_000_000_000
}

private struct Retention: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let policy: RetentionPolicy
    var zone = "GMT"
    /// Times of points, `*` after those with a tag, `+` before those that must stay.
    let points: [String]
}

private let day: Int64 = 86_400_000_000_000

private let retentions = [
    Retention(testDescription: "no points", policy: RetentionPolicy(last: 3), points: []),
    Retention(
        testDescription: "nothing said: the newest stays",
        policy: RetentionPolicy(),
        points: ["2026-11-01T00:00:00Z", "+2026-11-02T00:00:00Z"]
    ),
    Retention(
        testDescription: "the last two",
        policy: RetentionPolicy(last: 2),
        points: ["2026-11-01T00:00:00Z", "+2026-11-02T00:00:00Z", "+2026-11-02T00:00:01Z"]
    ),
    Retention(
        testDescription: "a span counts from the newest point, its end included",
        policy: RetentionPolicy(within: 2 * day),
        points: ["2026-11-01T23:59:59Z", "+2026-11-02T00:00:00Z", "+2026-11-03T00:00:00Z", "+2026-11-04T00:00:00Z"]
    ),
    Retention(
        testDescription: "the last point of each day, days without points not counted",
        policy: RetentionPolicy(daily: 3),
        points: [
            "2026-10-01T10:00:00Z", "+2026-10-05T10:00:00Z", "2026-11-01T08:00:00Z", "+2026-11-01T23:59:59Z",
            "2026-11-02T00:00:00Z", "+2026-11-02T10:00:00Z",
        ]
    ),
    Retention(
        testDescription: "a day begins at the zone's midnight",
        policy: RetentionPolicy(daily: 2),
        zone: "Europe/Berlin",
        points: ["2026-11-01T22:00:00Z", "+2026-11-01T22:59:59Z", "2026-11-01T23:00:00Z", "+2026-11-02T22:00:00Z"]
    ),
    Retention(
        testDescription: "a day of summer time begins an hour earlier",
        policy: RetentionPolicy(daily: 2),
        zone: "Europe/Berlin",
        points: ["+2026-06-01T21:59:59Z", "2026-06-01T22:00:00Z", "+2026-06-02T21:00:00Z"]
    ),
    Retention(
        testDescription: "hours, also where zones are off by half of one",
        policy: RetentionPolicy(hourly: 2),
        zone: "Asia/Kolkata",
        points: ["2026-11-01T09:30:00Z", "+2026-11-01T10:29:00Z", "2026-11-01T10:31:00Z", "+2026-11-01T11:29:00Z"]
    ),
    Retention(
        testDescription: "weeks begin on Monday",
        policy: RetentionPolicy(weekly: 2),
        points: ["2026-11-14T00:00:00Z", "+2026-11-15T23:59:59Z", "2026-11-16T00:00:00Z", "+2026-11-22T00:00:00Z"]
    ),
    Retention(
        testDescription: "months, also over the end of a year and of a leap February",
        policy: RetentionPolicy(monthly: 4),
        points: [
            "2027-11-30T00:00:00Z", "+2027-12-31T23:59:59Z", "+2028-01-31T00:00:00Z", "2028-02-01T00:00:00Z",
            "+2028-02-29T23:00:00Z", "2028-03-01T00:00:00Z", "+2028-03-02T00:00:00Z",
        ]
    ),
    Retention(
        testDescription: "tags",
        policy: RetentionPolicy(last: 1, keepsTags: true),
        points: ["+2026-11-01T00:00:00Z*", "2026-11-02T00:00:00Z", "+2026-11-03T00:00:00Z"]
    ),
    Retention(
        testDescription: "tags are nothing if nobody asks",
        policy: RetentionPolicy(last: 1),
        points: ["2026-11-01T00:00:00Z*", "+2026-11-03T00:00:00Z"]
    ),
    Retention(
        testDescription: "rules add up",
        policy: RetentionPolicy(within: day, daily: 2, monthly: 2),
        points: [
            "2026-09-30T00:00:00Z", "+2026-10-31T12:00:00Z", "2026-11-09T00:00:00Z", "2026-11-09T22:00:00Z",
            "+2026-11-10T11:00:00Z", "+2026-11-11T00:00:00Z", "+2026-11-11T10:00:00Z",
        ]
    ),
]

@Test("A policy keeps what it says", arguments: retentions)
private func retention(_ retention: Retention) throws {
    let points = try retention.points.map { text in
        RetentionPolicy.Point(
            time: try time(text.trimmingCharacters(in: CharacterSet(charactersIn: "+*"))),
            isTagged: text.hasSuffix("*")
        )
    }
    let zone = try #require(TimeZone(identifier: retention.zone))
    let reasons = retention.policy.decide(points, timeZone: zone)
    let kept = zip(retention.points, reasons).filter { !$1.isEmpty }.map(\.0)
    #expect(kept == retention.points.filter { $0.hasPrefix("+") })
}

@Test("Times at the ends of what 64 bits can say are no trap")
func extremes() {
    let policy = RetentionPolicy(within: .max, hourly: 3, daily: 3, weekly: 3, monthly: 3)
    let points = [Int64.min, -1, 0, 1, .max].map { RetentionPolicy.Point(time: $0) }
    let reasons = policy.decide(points)
    #expect(reasons[4].contains(.newest))
    for period in CalendarPeriod.allCases where period != .week {
        #expect(period.number(of: -1, in: .gmt) == period.number(of: 0, in: .gmt) - 1)
    }
}
