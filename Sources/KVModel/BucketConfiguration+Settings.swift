extension BucketConfiguration {
    /// The settings that can be given as text, `--set FIELD=VALUE`.
    public static let settingNames = [
        "history", "ttl", "max-bytes", "max-value-size", "storage", "replicas", "compression", "description",
        "placement.cluster", "placement.tags", "republish.source", "republish.destination", "limit-marker-ttl",
        "metadata.NAME", "mirror", "sources", "allow-direct",
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
        case "ttl": ttl = try duration(field, value)
        case "max-bytes": maximumBytes = try SizeText.bytes(value)
        case "max-value-size": maximumValueSize = try SizeText.bytes(value)
        case "replicas": replicas = try number(field, value, in: 1...5)
        case "limit-marker-ttl": limitMarkerTTL = try duration(field, value)
        case "storage":
            guard value == "file" || value == "memory" else {
                throw .invalidSetting(field, value: value, reason: "storage is file or memory")
            }
            storage = value
        case "compression":
            guard let isOn = Self.truth(value) ?? (value == "s2" ? true : value == "none" ? false : nil) else {
                throw .invalidSetting(field, value: value, reason: "compression is true or false")
            }
            isCompressed = isOn
        case "allow-direct":
            guard let isOn = Self.truth(value) else {
                throw .invalidSetting(field, value: value, reason: "allow-direct is true or false")
            }
            allowsDirectGet = isOn
        case "description": description = value
        case "placement.cluster": setMember("placement", "cluster", value.isEmpty ? nil : .string(value))
        case "placement.tags": setMember("placement", "tags", Self.list(value))
        case "republish.source": setMember("republish", "src", value.isEmpty ? nil : .string(value))
        case "republish.destination": setMember("republish", "dest", value.isEmpty ? nil : .string(value))
        case "mirror", "sources": try setOrigins(field, value)
        default:
            guard field.hasPrefix("metadata."), field.count > 9 else {
                throw .unknownSetting(field, known: Self.settingNames)
            }
            metadata[String(field.dropFirst(9))] = value.isEmpty ? nil : value
        }
    }

    private mutating func setOrigins(_ field: String, _ value: String) throws(ModelError) {
        var origins: [JSONValue] = []
        for name in value.split(separator: ",") {
            let bucket = try BucketName(String(name))
            var origin: JSONValue = ["name": .string(bucket.streamName)]
            if field == "sources", let own = self.name {
                let transform: JSONValue = [
                    "src": .string(bucket.subjectPrefix + ">"), "dest": .string(own.subjectPrefix + ">"),
                ]
                origin["subject_transforms"] = [transform]
            }
            origins.append(origin)
        }
        if field == "sources" {
            stream["sources"] = origins.isEmpty ? nil : .array(origins)
        } else {
            guard origins.count < 2 else {
                throw .invalidSetting(field, value: value, reason: "a bucket mirrors one other")
            }
            stream["mirror"] = origins.first
            stream["mirror_direct"] = origins.isEmpty ? nil : true
            if origins.isEmpty {
                stream["subjects"] = name.map { [.string($0.subjectPrefix + ">")] }
            } else {
                stream["subjects"] = nil
            }
        }
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

    private func duration(_ field: String, _ text: String) throws(ModelError) -> Int64 {
        let nanoseconds = try DurationText.nanoseconds(text)
        guard nanoseconds == 0 || nanoseconds >= 100_000_000 else {
            throw .invalidSetting(field, value: text, reason: "servers take 0 (none) or at least 100ms")
        }
        return nanoseconds
    }

    private static func truth(_ text: String) -> Bool? {
        switch text {
        case "true", "yes", "on": true
        case "false", "no", "off": false
        default: nil
        }
    }

    private static func list(_ text: String) -> JSONValue? {
        let parts = text.split(separator: ",").map { JSONValue.string(String($0)) }
        return parts.isEmpty ? nil : .array(parts)
    }
}
