import KVModel

/// Numbers as people read them.
enum NumberText {
    /// A whole number with a comma every three digits: `1,234,567`.
    static func count(_ number: some BinaryInteger) -> String {
        var digits = Array(String(number))
        let sign = digits.first == "-" ? String(digits.removeFirst()) : ""
        var position = digits.count - 3
        while position > 0 {
            digits.insert(",", at: position)
            position -= 3
        }
        return sign + String(digits)
    }

    /// A number and what it counts: `1 key`, `2,000 keys`.
    static func count(_ number: some BinaryInteger, _ one: String, _ many: String? = nil) -> String {
        "\(count(number)) \(number == 1 ? one : many ?? plural(one))"
    }

    private static func plural(_ one: String) -> String {
        one.hasSuffix("y") && !one.hasSuffix("ey") ? one.dropLast() + "ies" : one + "s"
    }

    /// A size in binary units: `1.5 MiB`.
    static func bytes(_ number: some BinaryInteger) -> String {
        SizeText.text(bytes: Int64(clamping: number))
    }

    /// How long something took, to about three digits: `850ms`, `12.3s`, `4m05s`, `3h20m`.
    static func duration(_ duration: Duration) -> String {
        let seconds = max(0, duration.inSeconds)
        if seconds < 0.9995 { return "\(Int((seconds * 1000).rounded()))ms" }
        if seconds < 59.95 {
            let tenths = Int((seconds * 10).rounded())
            return tenths % 10 == 0 ? "\(tenths / 10)s" : "\(tenths / 10).\(tenths % 10)s"
        }
        let whole = Int(min(seconds.rounded(), 1e15))
        if whole < 3600 { return "\(whole / 60)m\(twoDigits(whole % 60))s" }
        if whole < 172_800 { return "\(whole / 3600)h\(twoDigits(whole % 3600 / 60))m" }
        return "\(whole / 86_400)d\(twoDigits(whole % 86_400 / 3600))h"
    }

    /// So many per second: `12,345/s`; empty if no time has passed.
    static func rate(_ number: some BinaryInteger, over duration: Duration) -> String {
        let seconds = duration.inSeconds
        guard seconds > 0 else { return "" }
        let each = Double(number) / seconds
        guard each < 1e15 else { return "" }
        return each >= 10 ? "\(count(Int(each.rounded())))/s" : "\((each * 10).rounded() / 10)/s"
    }

    private static func twoDigits(_ number: Int) -> String {
        number < 10 ? "0\(number)" : String(number)
    }
}

extension Duration {
    /// Seconds, with their fraction.
    var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }

    /// Seconds to the millisecond, as JSON documents say it.
    var milliseconds: Double {
        (inSeconds * 1000).rounded() / 1000
    }
}
