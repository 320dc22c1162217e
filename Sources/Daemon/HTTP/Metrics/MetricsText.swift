/// Writes metrics in the text format of Prometheus: each family once, with its help and type, each sample once.
struct MetricsText {
    enum Kind: String {
        case counter, gauge
    }

    /// What was written so far.
    private(set) var text = ""

    /// Adds a family with all its samples; one without samples is left out.
    mutating func add(
        _ name: String,
        _ kind: Kind,
        _ help: String,
        _ samples: [(labels: KeyValuePairs<String, String>, value: Double?)]
    ) {
        var seen = Set<String>()
        var lines = ""
        for sample in samples {
            guard let value = sample.value else { continue }
            let labels = sample.labels.map { "\($0)=\"\(Self.escaped($1, quotes: true))\"" }.joined(separator: ",")
            guard seen.insert(labels).inserted else { continue }
            lines += labels.isEmpty ? name : "\(name){\(labels)}"
            lines += " \(Self.number(value))\n"
        }
        guard !lines.isEmpty else { return }
        text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n# TYPE \(name) \(kind.rawValue)\n" + lines
    }

    private static func number(_ value: Double) -> String {
        if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
        guard value.isFinite else { return value.isNaN ? "NaN" : value > 0 ? "+Inf" : "-Inf" }
        return String(value)
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
