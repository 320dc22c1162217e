/// Durations as people write them: `90s`, `15m`, `24h`, `30d`, `1h30m`, `250ms`; `0` is none.
public enum DurationText {
    private static let units: [(suffix: String, nanoseconds: Int64)] = [
        ("ns", 1), ("us", 1000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
        ("h", 3_600_000_000_000), ("d", 86_400_000_000_000), ("w", 604_800_000_000_000),
        ("y", 31_536_000_000_000_000),
    ]

    /// The nanoseconds that a text says.
    public static func nanoseconds(_ text: String) throws(ModelError) -> Int64 {
        if text == "0" { return 0 }
        var rest = Substring(text)
        var total: Int64 = 0
        guard !rest.isEmpty else { throw .invalidDuration(text) }
        while !rest.isEmpty {
            let number = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            rest = rest.dropFirst(number.count)
            let suffix = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(suffix.count)
            guard let unit = units.first(where: { $0.suffix == suffix }) else { throw .invalidDuration(text) }
            let part: Int64
            if let whole = Int64(number) {
                let (product, overflow) = whole.multipliedReportingOverflow(by: unit.nanoseconds)
                guard !overflow else { throw .invalidDuration(text) }
                part = product
            } else if let fraction = Double(number), fraction * Double(unit.nanoseconds) < 9e18 {
                part = Int64(fraction * Double(unit.nanoseconds))
            } else {
                throw .invalidDuration(text)
            }
            let (sum, overflow) = total.addingReportingOverflow(part)
            guard !overflow else { throw .invalidDuration(text) }
            total = sum
        }
        return total
    }

    /// A duration in the largest units that say it exactly, such as `1h30m` or `36h`; `0s` for none.
    public static func text(nanoseconds: Int64) -> String {
        guard nanoseconds > 0 else {
            return nanoseconds == 0 ? "0s" : "-" + text(nanoseconds: 0 - max(nanoseconds, .min + 1))
        }
        if nanoseconds % 86_400_000_000_000 == 0 { return "\(nanoseconds / 86_400_000_000_000)d" }
        var rest = nanoseconds
        var result = ""
        for unit in units.reversed() where unit.suffix != "d" && unit.suffix != "w" && unit.suffix != "y" {
            let count = rest / unit.nanoseconds
            rest %= unit.nanoseconds
            if count > 0 { result += "\(count)\(unit.suffix)" }
        }
        return result
    }
}

/// Sizes as people write them: `4096`, `512KiB`, `64MiB` (powers of 1024), `10GB` (powers of 1000).
public enum SizeText {
    private static let units: [(suffix: String, bytes: Int64)] = [
        ("", 1), ("b", 1), ("kib", 1 << 10), ("mib", 1 << 20), ("gib", 1 << 30), ("tib", 1 << 40),
        ("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30), ("t", 1 << 40),
        ("kb", 1000), ("mb", 1_000_000), ("gb", 1_000_000_000), ("tb", 1_000_000_000_000),
    ]

    /// The bytes that a text says; `-1`, `none` and `unlimited` say no limit, -1.
    public static func bytes(_ text: String) throws(ModelError) -> Int64 {
        if ["-1", "none", "unlimited"].contains(text) { return -1 }
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let suffix = text.dropFirst(number.count).lowercased()
        guard let unit = units.first(where: { $0.suffix == suffix }) else { throw .invalidSize(text) }
        if let whole = Int64(number) {
            let (product, overflow) = whole.multipliedReportingOverflow(by: unit.bytes)
            guard !overflow else { throw .invalidSize(text) }
            return product
        }
        guard let value = Double(number), value * Double(unit.bytes) < 9e18 else { throw .invalidSize(text) }
        return Int64(value * Double(unit.bytes))
    }

    /// A size in binary units with at most one decimal, such as `1.5 MiB`; `unlimited` below zero.
    public static func text(bytes: Int64) -> String {
        guard bytes >= 0 else { return "unlimited" }
        guard bytes >= 1024 else { return "\(bytes) B" }
        var scale: Int64 = 1
        var name = "B"
        for unit in ["KiB", "MiB", "GiB", "TiB"] where bytes / scale >= 1024 {
            scale *= 1024
            name = unit
        }
        let tenths = (Double(bytes) / Double(scale) * 10).rounded()
        return tenths.truncatingRemainder(dividingBy: 10) == 0
            ? "\(Int64(tenths / 10)) \(name)" : "\(tenths / 10) \(name)"
    }
}
