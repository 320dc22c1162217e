import KVModel

/// Numbers and times as the page shows them.
enum PageText {
    /// A whole number with a comma every three digits: `1,234,567`.
    static func count(_ number: some BinaryInteger) -> String {
        var digits = Array(String(number))
        var position = digits.count - 3
        while position > (number < 0 ? 1 : 0) {
            digits.insert(",", at: position)
            position -= 3
        }
        return String(digits)
    }

    /// A whole number that was drawn, and may be beyond every integer.
    static func count(whole number: Double) -> String {
        count(Int64(exactly: number.rounded()) ?? .max)
    }

    /// A size in binary units.
    static func bytes(_ number: UInt64) -> String {
        SizeText.text(bytes: Int64(clamping: number))
    }

    /// So many per second.
    static func rate(_ perSecond: Double) -> String {
        guard perSecond.isFinite, perSecond >= 0, perSecond < 1e15 else { return "–" }
        if perSecond >= 10 || perSecond == perSecond.rounded() { return count(Int64(perSecond.rounded())) + "/s" }
        return "\((perSecond * 10).rounded() / 10)/s"
    }

    /// A time for both eyes and programs: how far away it is, and when exactly (UTC).
    static func time(_ time: Int64, now: Int64) -> HTML {
        """
        <time datetime="\(TimeText.rfc3339(time))"><b>\(TimeText.relative(time, to: now))</b> \
        <span class="at">\(TimeText.clock(time)) UTC</span></time>
        """
    }

    /// A text that can stand in an `id` or a path: whatever is no letter, digit, `-`, `_` or `.` becomes `%XX`.
    static func encoded(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                result.unicodeScalars.append(UnicodeScalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                result += "%" + (digits.count < 2 ? "0" : "") + digits
            }
        }
        return result
    }
}
