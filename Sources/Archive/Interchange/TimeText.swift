import KVModel

/// Times as RFC 3339 with nanoseconds, to bytes and back; remembers the second it met last, as entries come in order.
struct TimeText: Sendable {
    private var second: Int64?
    private var text: [UInt8] = []

    /// The bytes up to the seconds, such as `2026-11-21T03:36:54`.
    private static let prefixLength = 19
    /// What a text can say and `Timestamp` reads back; a time beyond is written as a number.
    static let range = (-9_223_372_036 * 1_000_000_000)...Int64.max

    /// Appends a time as text; the caller has checked that it is in `range`.
    mutating func append(_ time: Timestamp, to output: inout [UInt8]) {
        var whole = time.nanoseconds / 1_000_000_000
        var rest = time.nanoseconds % 1_000_000_000
        if rest < 0 {
            whole -= 1
            rest += 1_000_000_000
        }
        if second != whole {
            text = Array(Timestamp(nanoseconds: whole * 1_000_000_000).description.utf8.dropLast())
            second = whole
        }
        output.append(contentsOf: text)
        if rest > 0 {
            output.append(46)
            var scale: Int64 = 100_000_000
            while rest > 0 {
                output.append(48 + UInt8(truncatingIfNeeded: rest / scale))
                rest %= scale
                scale /= 10
            }
        }
        output.append(90)
    }

    /// Reads a time; nil if it is none.
    mutating func parse(_ bytes: UnsafeRawBufferPointer) -> Timestamp? {
        guard bytes.count > Self.prefixLength, bytes.count <= Self.prefixLength + 11, bytes[bytes.count - 1] == 90
        else {
            return bytes.count <= 64 ? Timestamp(rfc3339: String(decoding: bytes, as: UTF8.self)) : nil
        }
        let prefix = bytes.part(0..<Self.prefixLength)
        if second == nil || !text.withUnsafeBytes({ $0.isSame(as: prefix) }) {
            guard let found = Timestamp(rfc3339: String(decoding: prefix, as: UTF8.self) + "Z") else { return nil }
            second = found.nanoseconds / 1_000_000_000
            text = Array(prefix)
        }
        var fraction: Int64 = 0
        if bytes.count > Self.prefixLength + 1 {
            let digits = bytes.part(Self.prefixLength + 1..<bytes.count - 1)
            guard bytes[Self.prefixLength] == 46, !digits.isEmpty else { return nil }
            for digit in digits {
                guard (48...57).contains(digit) else { return nil }
                fraction = fraction * 10 + Int64(digit - 48)
            }
            for _ in digits.count..<9 { fraction *= 10 }
        }
        guard let second else { return nil }
        let (scaled, overflow) = second.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflowToo) = scaled.addingReportingOverflow(fraction)
        return overflow || overflowToo ? nil : Timestamp(nanoseconds: sum)
    }
}
