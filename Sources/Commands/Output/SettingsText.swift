import KVModel

/// A bucket's settings as people read them.
enum SettingsText {
    /// The settings that matter, on one line.
    static func summary(_ configuration: BucketConfiguration) -> String {
        var parts = [
            "history \(history(configuration.history))",
            "ttl \(ttl(configuration.ttl))",
            "\(configuration.storage) storage",
            NumberText.count(configuration.replicas, "replica"),
        ]
        if configuration.maximumBytes >= 0 { parts.append("max \(NumberText.bytes(configuration.maximumBytes))") }
        if configuration.maximumValueSize >= 0 {
            parts.append("values up to \(NumberText.bytes(configuration.maximumValueSize))")
        }
        if configuration.isCompressed { parts.append("compressed") }
        if configuration.isMirror { parts.append("mirror") }
        return parts.joined(separator: ", ")
    }

    /// How many entries of a key are kept.
    static func history(_ number: Int64) -> String {
        number < 0 ? "unlimited" : String(number)
    }

    /// How long entries are kept.
    static func ttl(_ nanoseconds: Int64) -> String {
        nanoseconds == 0 ? "none" : DurationText.text(nanoseconds: nanoseconds)
    }

    /// The value of a field of the stream's configuration, in the words of `--set`.
    static func value(_ field: String, _ value: JSONValue?) -> String {
        guard let value else { return "-" }
        switch field {
        case "max_age", "duplicate_window", "subject_delete_marker_ttl":
            return value.integer.map { ttl($0) } ?? JSONDocument.text(value)
        case "max_bytes", "max_msg_size":
            return value.integer.map { NumberText.bytes($0) } ?? JSONDocument.text(value)
        default:
            return value.string ?? JSONDocument.text(value)
        }
    }

    /// The name that a field of the stream's configuration has in `--set`, if it has one.
    static func name(_ field: String) -> String {
        switch field {
        case "max_msgs_per_subject": "history"
        case "max_age": "ttl"
        case "max_bytes": "max-bytes"
        case "max_msg_size": "max-value-size"
        case "num_replicas": "replicas"
        case "subject_delete_marker_ttl": "limit-marker-ttl"
        case "allow_direct": "allow-direct"
        default: field
        }
    }
}
