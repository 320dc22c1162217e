import Foundation
import KVModel

extension ConfigurationReader {
    /// A text of the file.
    struct Scalar {
        /// As it stands in the file: messages show this, never what a variable holds.
        let written: String
        /// With what its variables hold.
        let text: String

        var shown: String { ConfigurationReader.shortened(written) }
        /// Whether a part of it came from a variable, so that no message may say more of it.
        var isSubstituted: Bool { written != text }
    }

    /// A text with its variables; nil, and a mistake, if it is none.
    func scalar(_ value: ConfigurationValue, example: String) -> Scalar? {
        guard hasKnownTag(value) else { return nil }
        guard let written = value.writtenText else {
            mistake(value.place, "\(value.name) must be a text, not \(value.kind)", "write for example \(example)")
            return nil
        }
        guard !value.isEmpty, !written.isEmpty else {
            mistake(
                value.isEmpty ? value.keyPlace : value.place,
                "\(value.name) says nothing",
                "write for example \(example)"
            )
            return nil
        }
        guard let text = expanded(written, at: value.place) else { return nil }
        return Scalar(written: written, text: text)
    }

    /// A text in which every `${NAME}` is what the variable holds; `$${` is a plain `${`.
    private func expanded(_ text: String, at place: TextPlace) -> String? {
        guard text.contains("${") else { return text }
        var result = ""
        var isWhole = true
        var rest = Substring(text)
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[dollar...]
            if rest.hasPrefix("$${") {
                result += "${"
                rest = rest.dropFirst(3)
            } else if rest.hasPrefix("${") {
                guard let brace = rest.firstIndex(of: "}") else {
                    mistake(place, "a ${ has no }", "write ${NAME}, or $${ for a plain ${")
                    return nil
                }
                let name = String(rest[rest.index(dollar, offsetBy: 2)..<brace])
                rest = rest[rest.index(after: brace)...]
                if let held = variable(name, at: place) { result += held } else { isWhole = false }
            } else {
                result += "$"
                rest = rest.dropFirst()
            }
        }
        return isWhole ? result + rest : nil
    }

    private func variable(_ name: String, at place: TextPlace) -> String? {
        let isName = name.utf8.enumerated().allSatisfy { index, byte in
            switch byte {
            case 65...90, 95, 97...122: true
            case 48...57: index > 0
            default: false
            }
        }
        guard isName, !name.isEmpty else {
            let shown = Self.shortened(name)
            mistake(place, "\"${\(shown)}\" names no variable", "write ${NAME}, or $${ for a plain ${")
            return nil
        }
        if let held = environment[name] { return held }
        mistake(place, "the variable \(name) is not set", "set it, or write $${ for a plain ${")
        return nil
    }

    /// A text that must not be empty.
    func text(_ value: ConfigurationValue, example: String) -> String? {
        scalar(value, example: example)?.text
    }

    /// `true` or `false`.
    func flag(_ value: ConfigurationValue) -> Bool? {
        let hint = "write \(value.name): true or \(value.name): false"
        if value.writtenText == nil || value.isEmpty {
            mistake(value.place, "\(value.name) must be true or false, not \(value.kind)", hint)
            return nil
        }
        guard let scalar = scalar(value, example: "true") else { return nil }
        switch scalar.text.lowercased() {
        case "true", "yes", "on": return true
        case "false", "no", "off": return false
        default:
            mistake(value.place, "\(value.name) must be true or false, not \"\(scalar.shown)\"", hint)
            return nil
        }
    }

    /// A whole number.
    func number(_ value: ConfigurationValue, in range: ClosedRange<Int>, example: Int) -> Int? {
        guard let scalar = scalar(value, example: "\(value.name): \(example)") else { return nil }
        if let number = Int(scalar.text), range.contains(number) { return number }
        let bounds = "from \(range.lowerBound) to \(range.upperBound)"
        mistake(
            value.place,
            "\(value.name) must be a whole number \(bounds), not \"\(scalar.shown)\"",
            "write for example \(value.name): \(example)"
        )
        return nil
    }

    /// A duration, in nanoseconds.
    func duration(_ value: ConfigurationValue, in range: ClosedRange<Int64>, example: String) -> Int64? {
        guard let scalar = scalar(value, example: "\(value.name): \(example)") else { return nil }
        let nanoseconds: Int64
        do {
            nanoseconds = try DurationText.nanoseconds(scalar.text)
        } catch {
            mistake(
                value.place,
                "\(value.name): \"\(scalar.shown)\" is not a duration",
                "write for example 90s, 15m, 24h, 30d or 1h30m"
            )
            return nil
        }
        guard !range.contains(nanoseconds) else { return nanoseconds }
        let (lower, upper) = (
            DurationText.text(nanoseconds: range.lowerBound), DurationText.text(nanoseconds: range.upperBound)
        )
        mistake(
            value.place,
            "\(value.name) must be from \(lower) to \(upper), not \(scalar.shown)",
            "write for example \(value.name): \(example)"
        )
        return nil
    }

    /// A number of bytes a second.
    func rate(_ value: ConfigurationValue) -> UInt64? {
        guard let scalar = scalar(value, example: "rate: 10MB/s") else { return nil }
        let text = scalar.text.hasSuffix("/s") ? String(scalar.text.dropLast(2)) : scalar.text
        do {
            let bytes = try SizeText.bytes(text)
            if bytes > 0 { return UInt64(bytes) }
        } catch {
            // Said below.
        }
        mistake(
            value.place,
            "\(value.name): \"\(scalar.shown)\" is not a number of bytes a second",
            "write for example 512KiB/s or 10MB/s"
        )
        return nil
    }

    /// One word of a few.
    func choice<Word: RawRepresentable<String> & CaseIterable>(_ value: ConfigurationValue, _: Word.Type) -> Word? {
        let words = Word.allCases.map(\.rawValue)
        guard let scalar = scalar(value, example: "\(value.name): \(words[0])") else { return nil }
        if let word = Word(rawValue: scalar.text) { return word }
        mistake(
            value.place,
            "\(value.name) cannot be \"\(scalar.shown)\"",
            Self.suggestion(scalar.written, words, otherwise: "write \(words.joined(separator: " or "))")
        )
        return nil
    }

    /// A name that is declared under `clusters` or `archives`.
    func reference(_ value: ConfigurationValue, to kind: String, _ known: [String]) -> String? {
        guard let scalar = scalar(value, example: "\(value.name): \(known.first ?? "NAME")") else { return nil }
        if known.contains(scalar.text) { return scalar.text }
        unknown(scalar.shown, kind, known, at: value.place)
        return nil
    }

    /// Notes a name that is not declared.
    func unknown(_ name: String, _ kind: String, _ known: [String], at place: TextPlace) {
        let all =
            known.isEmpty ? "declare it under \(kind)s:" : "the \(kind)s are \(known.joined(separator: ", "))"
        mistake(place, "there is no \(kind) \"\(name)\"", Self.suggestion(name, known, otherwise: all))
    }

    /// A bucket of a cluster, `CLUSTER/BUCKET`.
    func location(_ value: ConfigurationValue) -> BucketLocation? {
        let cluster = clusterNames.first ?? "CLUSTER"
        guard let scalar = scalar(value, example: "\(value.name): \(cluster)/BUCKET") else { return nil }
        guard let slash = scalar.text.lastIndex(of: "/") else {
            let name = clusterNames.contains(scalar.text) ? "\(scalar.shown)/BUCKET" : "\(cluster)/\(scalar.shown)"
            mistake(value.place, "\(value.name) must be CLUSTER/BUCKET, not \"\(scalar.shown)\"", "write \(name)")
            return nil
        }
        let name = String(scalar.text[..<slash])
        if !clusterNames.contains(name) {
            unknown(scalar.isSubstituted ? scalar.shown : name, "cluster", clusterNames, at: value.place)
        }
        let bucket = bucketName(
            String(scalar.text[scalar.text.index(after: slash)...]),
            shown: scalar.shown,
            at: value.place
        )
        guard clusterNames.contains(name), let bucket else { return nil }
        return BucketLocation(cluster: name, bucket: bucket)
    }

    /// A bucket's name.
    func bucketName(_ value: ConfigurationValue, example: String) -> BucketName? {
        guard let scalar = scalar(value, example: example) else { return nil }
        return bucketName(scalar.text, shown: scalar.shown, at: value.place)
    }

    private func bucketName(_ text: String, shown: String, at place: TextPlace) -> BucketName? {
        do {
            return try BucketName(text)
        } catch {
            mistake(place, "\"\(shown)\" is not a bucket's name", "write letters, digits, - and _")
            return nil
        }
    }

    /// Key patterns.
    func patterns(_ value: ConfigurationValue) -> [KeyPattern] {
        list(value, example: "filter: [\"user.>\"]").compactMap { entry -> KeyPattern? in
            guard let scalar = scalar(entry, example: "\"user.>\"") else { return nil }
            do throws(ModelError) {
                return try KeyPattern(scalar.text)
            } catch {
                mistake(
                    entry.place,
                    "\(value.name): \"\(scalar.shown)\" is not a key pattern\(Self.reason(error, scalar))",
                    "write for example user.> or *.config"
                )
                return nil
            }
        }
    }

    /// Why the model refuses a text, unless a part of that came from a variable.
    static func reason(_ error: ModelError, _ scalar: Scalar) -> String {
        guard !scalar.isSubstituted else { return "" }
        switch error {
        case .invalidKey(_, let reason), .invalidPattern(_, let reason), .invalidMapping(_, let reason),
            .invalidSetting(_, _, let reason):
            return ": \(reason)"
        case .invalidBucketName, .invalidDuration, .invalidSize, .unknownSetting: return ""
        }
    }
}
