/// The days that a cron expression means.
struct CronDays: Sendable, Hashable {
    private let months: UInt64
    private let ofMonth: CronValues
    private let ofWeek: CronValues

    init(months: CronValues, ofMonth: CronValues, ofWeek: CronValues) {
        self.months = months.numbers
        self.ofMonth = ofMonth
        self.ofWeek = ofWeek
    }

    /// The next day of the calendar that fits, the given one included; nil if none comes before the last year.
    func next(from start: CivilDate, lastYear: Int64) -> CivilDate? {
        var date = start
        while date.year <= lastYear {
            if months & (1 << UInt64(date.month)) != 0 {
                let left = (days(of: date) >> UInt64(date.day)) << UInt64(date.day)
                if left != 0 {
                    date.day = Int64(left.trailingZeroBitCount)
                    return date
                }
            }
            date.day = 1
            date.month += 1
            if date.month == 13 {
                date.month = 1
                date.year += 1
            }
        }
        return nil
    }

    /// The days of a date's month that fit, each a bit.
    private func days(of date: CivilDate) -> UInt64 {
        let first = CivilDate(year: date.year, month: date.month, day: 1).weekday
        let count = date.daysOfMonth
        let all: UInt64 = ((1 << UInt64(count)) - 1) << 1
        var byMonth = ofMonth.numbers & all
        if ofMonth.hasLastDay { byMonth |= 1 << UInt64(count) }
        var byWeek: UInt64 = 0
        for day in 1...count {
            let weekday: UInt64 = 1 << UInt64((first + day - 1) % 7)
            let isLast = day + 7 > count
            let fits =
                ofWeek.numbers & weekday != 0 || ofWeek.ordinals[Int((day - 1) / 7) + 1] & weekday != 0
                || isLast && ofWeek.ordinals[0] & weekday != 0
            if fits { byWeek |= 1 << UInt64(day) }
        }
        switch (ofMonth.isOpen, ofWeek.isOpen) {
        case (true, true): return all
        case (true, false): return byWeek
        case (false, true): return byMonth
        case (false, false): return byMonth | byWeek
        }
    }
}
