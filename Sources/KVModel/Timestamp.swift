/// A moment in nanoseconds since 1970 (UTC), as servers stamp entries.
public struct Timestamp: Hashable, Comparable, Sendable {
    /// Nanoseconds since 1970-01-01T00:00:00Z; negative before that.
    public var nanoseconds: Int64

    /// A moment given in nanoseconds since 1970.
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// Parses RFC 3339 (`2026-11-21T03:36:54.123456789Z`, offsets allowed); digits beyond nanoseconds are dropped.
    ///
    /// Answers nil for anything else, and for times that do not fit 64 bits of nanoseconds (years 1678 to 2262).
    public init?(rfc3339 text: String) {
        var scanner = DigitScanner(Array(text.utf8))
        guard let year = scanner.number(digits: 4), scanner.skip("-"),
            let month = scanner.number(digits: 2), scanner.skip("-"),
            let day = scanner.number(digits: 2), scanner.skip("T") || scanner.skip("t") || scanner.skip(" "),
            let hour = scanner.number(digits: 2), scanner.skip(":"),
            let minute = scanner.number(digits: 2), scanner.skip(":"),
            let second = scanner.number(digits: 2),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 61
        else { return nil }
        var fraction: Int64 = 0
        if scanner.skip(".") {
            guard let digits = scanner.fraction() else { return nil }
            fraction = digits
        }
        guard let offset = scanner.zoneOffset(), scanner.isAtEnd else { return nil }
        let days = Timestamp.days(year: year, month: month, day: day)
        guard Timestamp.date(days: days) == (year, month, day) else { return nil }
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflowToo) = scaled.addingReportingOverflow(fraction)
        guard !overflow, !overflowToo else { return nil }
        nanoseconds = sum
    }

    /// Earlier moments first.
    public static func < (left: Self, right: Self) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// This moment moved by a number of nanoseconds, held within what 64 bits can say.
    public func adding(nanoseconds delta: Int64) -> Self {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(delta)
        return Self(nanoseconds: overflow ? (delta > 0 ? .max : .min) : sum)
    }

    /// Days since 1970 of a Gregorian date (Howard Hinnant's algorithm, "chrono-Compatible Low-Level Date Algorithms").
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    private static func date(days: Int64) -> (Int64, Int64, Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthIndex + 2) / 5 + 1
        let month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}

extension Timestamp: CustomStringConvertible {
    /// RFC 3339 in UTC, with as many fraction digits as it takes (none for whole seconds).
    public var description: String {
        var seconds = nanoseconds / 1_000_000_000
        var rest = nanoseconds % 1_000_000_000
        if rest < 0 {
            seconds -= 1
            rest += 1_000_000_000
        }
        var day = seconds / 86_400
        var ofDay = seconds % 86_400
        if ofDay < 0 {
            day -= 1
            ofDay += 86_400
        }
        let (year, month, dayOfMonth) = Self.date(days: day)
        // 64 bits of nanoseconds end in the year 2262: 30 characters are the most.
        return String(unsafeUninitializedCapacity: 30) { buffer in
            var count = 0
            func append(_ character: Unicode.Scalar) {
                buffer[count] = UInt8(truncatingIfNeeded: character.value)
                count += 1
            }
            func append(_ number: Int64, digits: Int) {
                var number = number
                for position in (count..<count + digits).reversed() {
                    buffer[position] = UInt8(truncatingIfNeeded: 48 + number % 10)
                    number /= 10
                }
                count += digits
            }
            append(year, digits: 4)
            append("-")
            append(month, digits: 2)
            append("-")
            append(dayOfMonth, digits: 2)
            append("T")
            append(ofDay / 3600, digits: 2)
            append(":")
            append(ofDay / 60 % 60, digits: 2)
            append(":")
            append(ofDay % 60, digits: 2)
            if rest > 0 {
                append(".")
                append(rest, digits: 9)
                while buffer[count - 1] == 48 { count -= 1 }
            }
            append("Z")
            return count
        }
    }
}

/// Reads the fixed-width numbers of a timestamp.
private struct DigitScanner {
    private var bytes: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) {
        self.bytes = bytes[...]
    }

    var isAtEnd: Bool { bytes.isEmpty }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard let first = bytes.first, UInt32(first) == character.value else { return false }
        bytes.removeFirst()
        return true
    }

    mutating func number(digits: Int) -> Int64? {
        guard bytes.count >= digits else { return nil }
        var value: Int64 = 0
        for byte in bytes.prefix(digits) {
            guard (48...57).contains(byte) else { return nil }
            value = value * 10 + Int64(byte - 48)
        }
        bytes.removeFirst(digits)
        return value
    }

    mutating func fraction() -> Int64? {
        var value: Int64 = 0
        var count = 0
        while let byte = bytes.first, (48...57).contains(byte) {
            if count < 9 { value = value * 10 + Int64(byte - 48) }
            count += 1
            bytes.removeFirst()
        }
        guard count > 0 else { return nil }
        for _ in 0..<max(0, 9 - count) { value *= 10 }
        return value
    }

    mutating func zoneOffset() -> Int64? {
        if skip("Z") || skip("z") { return 0 }
        let sign: Int64
        if skip("+") { sign = 1 } else if skip("-") { sign = -1 } else { return nil }
        guard let hours = number(digits: 2), skip(":"), let minutes = number(digits: 2), hours < 24, minutes < 60 else {
            return nil
        }
        return sign * (hours * 3600 + minutes * 60)
    }
}
