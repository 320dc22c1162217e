import KVModel

extension String {
    /// The text with everything that could steer a terminal written out: control characters as `\n`, `\t` or `\u{1B}`,
    /// and the marks that turn the direction of text.
    var escapedForTerminal: String {
        // Nearly all texts are of plain ASCII, which is quickly seen.
        if utf8.allSatisfy({ (32...126).contains($0) }) { return self }
        guard unicodeScalars.contains(where: Self.steers) else { return self }
        var result = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case let scalar where Self.steers(scalar):
                let digits = String(scalar.value, radix: 16, uppercase: true)
                result += "\\u{" + digits + "}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func steers(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0...31, 127...159: true
        case 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: true
        default: false
        }
    }
}

/// A value as people read it: text where it is text, otherwise what kind of bytes it is.
enum ValueText {
    /// The value on one line, escaped; cut in the middle if longer than `limit` characters.
    static func line(_ value: [UInt8], limit: Int? = nil) -> String {
        guard !value.isEmpty else { return "" }
        // Plain ASCII, which most values are, has a character a byte and nothing to escape.
        if value.allSatisfy({ (32...126).contains($0) }) { return shortened(ascii: value, to: limit) }
        // Only as much as can be shown is looked at: values may be large.
        guard let text = String(validating: value, as: UTF8.self), isMostlyText(text) else {
            return hexadecimal(value, limit: limit)
        }
        guard let limit else { return text.escapedForTerminal }
        return shortened(text.escapedForTerminal, to: limit)
    }

    /// A text cut in the middle, so that its beginning and its end stay.
    static func shortened(_ text: String, to limit: Int) -> String {
        guard text.count > limit, limit > 5 else { return text }
        let head = (limit - 3 + 1) / 2
        return "\(text.prefix(head))...\(text.suffix(limit - 3 - head))"
    }

    private static func shortened(ascii value: [UInt8], to limit: Int?) -> String {
        guard let limit, value.count > limit, limit > 5 else { return String(decoding: value, as: UTF8.self) }
        let head = (limit - 3 + 1) / 2
        let ends = value.prefix(head) + Array("...".utf8) + value.suffix(limit - 3 - head)
        return String(decoding: ends, as: UTF8.self)
    }

    private static func isMostlyText(_ text: String) -> Bool {
        text.unicodeScalars.prefix(4096).allSatisfy { $0.value > 31 || [9, 10, 13, 27].contains($0.value) }
    }

    private static func hexadecimal(_ value: [UInt8], limit: Int?) -> String {
        let shown = max(4, ((limit ?? 67) - 3) / 2)
        let digits = value.prefix(shown).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return "0x" + digits + (value.count > shown ? "…" : "")
    }
}
