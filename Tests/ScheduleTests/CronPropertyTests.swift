import Foundation
import Schedule
import Testing

/// A cron expression made up at random, with what it means known apart from its text.
private struct MadeUpExpression {
    private struct Field {
        var text: String
        var numbers: Set<Int>
        var hasWildcard: Bool
        var isOpen: Bool

        static func open(_ range: ClosedRange<Int>) -> Field {
            Field(text: "*", numbers: Set(range), hasWildcard: true, isOpen: true)
        }

        static func random(_ range: ClosedRange<Int>, using generator: inout SeededGenerator) -> Field {
            var field = Field(text: "", numbers: [], hasWildcard: false, isOpen: false)
            var parts: [String] = []
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let low = Int.random(in: range, using: &generator)
                let high = Int.random(in: low...range.upperBound, using: &generator)
                let step = Int.random(in: 2...6, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0:
                    parts.append("\(low)-\(high)")
                    field.numbers.formUnion(low...high)
                case 1:
                    parts.append("\(low)-\(high)/\(step)")
                    field.numbers.formUnion(stride(from: low, through: high, by: step))
                    field.hasWildcard = true
                case 2:
                    parts.append("*/\(step)")
                    field.numbers.formUnion(stride(from: range.lowerBound, through: range.upperBound, by: step))
                    field.hasWildcard = true
                default:
                    parts.append("\(low)")
                    field.numbers.insert(low)
                }
            }
            field.text = parts.joined(separator: ",")
            return field
        }
    }

    let text: String
    let countsElapsedTime: Bool
    private let minute: Field
    private let hour: Field
    private let dayOfMonth: Field
    private let month: Field
    private let dayOfWeek: Field

    init(using generator: inout SeededGenerator) {
        func field(_ range: ClosedRange<Int>, openOnceIn count: Int) -> Field {
            Int.random(in: 0..<count, using: &generator) == 0
                ? .open(range) : .random(range, using: &generator)
        }
        minute = field(0...59, openOnceIn: 6)
        hour = field(0...23, openOnceIn: 3)
        dayOfMonth = .open(1...31)
        month = .open(1...12)
        dayOfWeek = field(0...6, openOnceIn: 2)
        text = [minute, hour, dayOfMonth, month, dayOfWeek].map(\.text).joined(separator: " ")
        countsElapsedTime = minute.hasWildcard || hour.hasWildcard
    }

    /// One of days: at a time of its own.
    init(daysUsing generator: inout SeededGenerator) {
        minute = Field(text: "30", numbers: [30], hasWildcard: false, isOpen: false)
        hour = Field(text: "12", numbers: [12], hasWildcard: false, isOpen: false)
        dayOfMonth = Bool.random(using: &generator) ? .open(1...31) : .random(1...31, using: &generator)
        month = Bool.random(using: &generator) ? .open(1...12) : .random(1...12, using: &generator)
        dayOfWeek = Bool.random(using: &generator) ? .open(0...6) : .random(0...6, using: &generator)
        text = [minute, hour, dayOfMonth, month, dayOfWeek].map(\.text).joined(separator: " ")
        countsElapsedTime = false
    }

    func fits(_ date: DateComponents) -> Bool {
        guard let day = date.day, let weekday = date.weekday, let monthNumber = date.month else { return false }
        guard month.numbers.contains(monthNumber) else { return false }
        let byMonth = dayOfMonth.numbers.contains(day)
        let byWeek = dayOfWeek.numbers.contains(weekday - 1)
        return dayOfMonth.isOpen || dayOfWeek.isOpen ? byMonth && byWeek : byMonth || byWeek
    }

    func fits(minuteOfDay: Int) -> Bool {
        hour.numbers.contains(minuteOfDay / 60) && minute.numbers.contains(minuteOfDay % 60)
    }
}

/// Three days of a zone's clock, minute by minute.
private struct ClockWindow: Sendable, CustomTestStringConvertible {
    let zone: String
    let middle: String
    var testDescription: String { "\(zone) around \(middle)" }
}

private let windows = [
    ClockWindow(zone: "Europe/Berlin", middle: "2026-03-29T01:00:00Z"),
    ClockWindow(zone: "Europe/Berlin", middle: "2026-10-25T01:00:00Z"),
    ClockWindow(zone: "America/New_York", middle: "2026-03-08T07:00:00Z"),
    ClockWindow(zone: "America/New_York", middle: "2026-11-01T06:00:00Z"),
    ClockWindow(zone: "Australia/Lord_Howe", middle: "2026-10-03T15:30:00Z"),
    ClockWindow(zone: "Australia/Lord_Howe", middle: "2026-04-04T15:00:00Z"),
    ClockWindow(zone: "Pacific/Apia", middle: "2011-12-30T10:00:00Z"),
    ClockWindow(zone: "Asia/Kathmandu", middle: "2026-06-01T00:00:00Z"),
]

private let calendar: Calendar = {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = .gmt
    return calendar
}()

@Suite struct CronPropertyTests {
    @Test("Times are those that a clock meets that is watched minute by minute", arguments: windows)
    private func meetsTheClock(_ window: ClockWindow) throws {
        let zone = try #require(TimeZone(identifier: window.zone))
        let start = try moment(window.middle) / 60_000_000_000 - 36 * 60
        let clock = (0...72 * 60).map { minute in
            let second = (start + minute) * 60
            let offset = zone.secondsFromGMT(for: Date(timeIntervalSince1970: TimeInterval(second)))
            return (second + Int64(offset)) / 60
        }
        let earliest = try #require(clock.min())
        let dates = (earliest / 1440...(clock.max() ?? 0) / 1440).map { day in
            calendar.dateComponents(
                [.day, .month, .weekday],
                from: Date(timeIntervalSince1970: TimeInterval(day * 86_400))
            )
        }
        var generator = SeededGenerator(seed: 1)
        var met = 0
        for _ in 0..<60 {
            let madeUp = MadeUpExpression(using: &generator)
            let ofDay = (0..<1440).map { madeUp.fits(minuteOfDay: $0) }
            let ofDate = dates.map { madeUp.fits($0) }
            func fits(_ minute: Int64) -> Bool {
                ofDay[Int(minute % 1440)] && ofDate[Int(minute / 1440 - earliest / 1440)]
            }
            var expected: [Int64] = []
            var latest = clock[0]
            for (index, shown) in clock.enumerated().dropFirst() {
                let comes =
                    if madeUp.countsElapsedTime {
                        fits(shown)
                    } else {
                        shown > latest && (latest + 1...shown).contains(where: fits)
                    }
                if comes { expected.append((start + Int64(index)) * 60_000_000_000) }
                latest = max(latest, shown)
            }
            var found: [Int64] = []
            let expression = try CronExpression(madeUp.text)
            let end = (start + Int64(clock.count) - 1) * 60_000_000_000
            var time = start * 60_000_000_000
            while let next = expression.next(after: time, in: zone), next <= end {
                try #require(next > time)
                found.append(next)
                time = next
            }
            #expect(found == expected, "\(madeUp.text)")
            met += expected.count
            // From any moment between two times the second of them is next.
            for _ in 0..<20 {
                let moment = Int64.random(in: start * 60_000_000_000..<end, using: &generator)
                guard let next = expected.first(where: { $0 > moment }) else { continue }
                #expect(expression.next(after: moment, in: zone) == next, "\(madeUp.text) after \(moment)")
            }
        }
        #expect(met > 1000)
    }

    @Test("Days are those of the calendar, over centuries")
    func meetsTheCalendar() throws {
        var generator = SeededGenerator(seed: 2)
        var met = 0
        for _ in 0..<150 {
            let madeUp = MadeUpExpression(daysUsing: &generator)
            let expression: CronExpression
            do throws(ScheduleError) {
                expression = try CronExpression(madeUp.text)
            } catch {
                #expect(error == .neverComes(madeUp.text))
                continue
            }
            let start = Int64.random(in: -50_000...95_000, using: &generator)
            var expected: Int64?
            for day in start...start + 900 where expected == nil {
                let date = Date(timeIntervalSince1970: TimeInterval(day * 86_400))
                if madeUp.fits(calendar.dateComponents([.day, .month, .weekday], from: date)) { expected = day }
            }
            guard let expected else { continue }
            met += 1
            let found = expression.next(after: start * 86_400_000_000_000, in: .gmt)
            #expect(found == (expected * 1440 + 750) * 60_000_000_000, "\(madeUp.text)")
        }
        #expect(met > 100)
    }
}
