extension BucketConfiguration {
    /// The settings that can be given as text, `--set FIELD=VALUE`.
    public static let settingNames = [
        "history", "ttl", "max-bytes", "max-value-size", "storage", "replicas", "compression", "description",
        "placement.cluster", "placement.tags", "republish.source", "republish.destination", "republish.headers-only",
        "limit-marker-ttl", "metadata.NAME", "mirror", "sources", "allow-direct",
    ]

    /// Changes one setting given as `FIELD=VALUE`; an empty value takes an optional setting away.
    public mutating func set(_ text: String) throws(ModelError) {
        guard let equals = text.firstIndex(of: "=") else {
            throw .invalidSetting(text, value: "", reason: "write FIELD=VALUE, for example history=5")
        }
        let field = String(text[..<equals])
        let value = String(text[text.index(after: equals)...])
        switch field {
        case "history": history = try number(field, value, in: 1...64)
        case "ttl": ttl = try duration(field, value, atLeast: Self.shortestTTL)
        case "max-bytes": maximumBytes = try SizeText.bytes(value)
        case "max-value-size": maximumValueSize = try SizeText.bytes(value)
        case "replicas": replicas = try number(field, value, in: 1...5)
        case "limit-marker-ttl": limitMarkerTTL = try duration(field, value, atLeast: Self.shortestMarkerTTL)
        case "storage":
            guard value == "file" || value == "memory" else {
                throw .invalidSetting(field, value: value, reason: "storage is file or memory")
            }
            storage = value
        case "compression" where value == "s2": isCompressed = true
        case "compression": isCompressed = value == "none" ? false : try truth(field, value)
        case "allow-direct": allowsDirectGet = try truth(field, value)
        case "description": description = value
        case "placement.cluster": setMember("placement", "cluster", value.isEmpty ? nil : .string(value))
        case "placement.tags": setMember("placement", "tags", Self.list(value))
        case "republish.source": setMember("republish", "src", value.isEmpty ? nil : .string(value))
        case "republish.destination": setMember("republish", "dest", value.isEmpty ? nil : .string(value))
        case "republish.headers-only":
            let isOn = value.isEmpty ? false : try truth(field, value)
            setMember("republish", "headers_only", isOn ? true : nil)
        case "mirror", "sources": try setOrigins(field, value)
        default:
            guard field.hasPrefix("metadata."), field.count > 9 else {
                throw .unknownSetting(field, known: Self.settingNames)
            }
            metadata[String(field.dropFirst(9))] = value.isEmpty ? nil : value
        }
    }

    private mutating func setOrigins(_ field: String, _ value: String) throws(ModelError) {
        var origins: [BucketOrigin] = []
        for name in value.split(separator: ",") { origins.append(BucketOrigin(try BucketName(String(name)))) }
        guard field == "mirror" else {
            sources = origins
            return
        }
        guard origins.count < 2 else {
            throw .invalidSetting(field, value: value, reason: "a bucket mirrors one other")
        }
        mirror = origins.first
    }

    private mutating func setMember(_ object: String, _ member: String, _ value: JSONValue?) {
        var members = stream[object]?.object ?? [:]
        members[member] = value
        stream[object] = members.isEmpty ? nil : .object(members)
    }

    private func number(_ field: String, _ text: String, in range: ClosedRange<Int64>) throws(ModelError) -> Int64 {
        guard let value = Int64(text), range.contains(value) else {
            throw .invalidSetting(
                field,
                value: text,
                reason: "it must be a whole number from \(range.lowerBound) to \(range.upperBound)"
            )
        }
        return value
    }

    private func duration(
        _ field: String,
        _ text: String,
        atLeast shortest: Int64
    ) throws(ModelError) -> Int64 {
        let nanoseconds = try DurationText.nanoseconds(text)
        guard nanoseconds == 0 || nanoseconds >= shortest else {
            let least = DurationText.text(nanoseconds: shortest)
            throw .invalidSetting(field, value: text, reason: "servers take 0 (none) or at least \(least)")
        }
        return nanoseconds
    }

    private func truth(_ field: String, _ text: String) throws(ModelError) -> Bool {
        switch text {
        case "true", "yes", "on": return true
        case "false", "no", "off": return false
        default: throw .invalidSetting(field, value: text, reason: "\(field) is true or false")
        }
    }

    private static func list(_ text: String) -> JSONValue? {
        let parts = text.split(separator: ",").map { JSONValue.string(String($0)) }
        return parts.isEmpty ? nil : .array(parts)
    }
}
