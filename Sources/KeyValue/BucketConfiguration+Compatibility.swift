public import KVModel
public import NATSProtocol

extension BucketConfiguration {
    /// The configuration as a server of a version takes it, with the names of settings that had to be left out.
    ///
    /// Servers from 2.12 on refuse fields they do not know, older ones drop them silently, which is worse: the field
    /// looks set and is not. Fields at their default are left out without mention. Fields that no version up to 2.15
    /// has are left as they are for newer servers. Server-made metadata and `first_seq` never travel.
    public func adapted(to version: ServerVersion) -> (configuration: Self, leftOut: [String]) {
        var result = withoutServerMetadata
        result.stream["first_seq"] = nil
        var leftOut: [String] = []
        for (field, since) in Self.introduced where version < since {
            guard let value = result.stream[field] else { continue }
            if !Self.isDefault(value) { leftOut.append(field) }
            result.stream[field] = nil
        }
        return (result, leftOut.sorted())
    }

    /// The first version of the server that knows a field; nil for fields that all versions from 2.9 on know, or none
    /// up to 2.15 does.
    public static func introduced(_ field: String) -> ServerVersion? {
        introduced[field]
    }

    private static let introduced: [String: ServerVersion] = {
        let since: [(minor: Int, fields: [String])] = [
            (10, ["metadata", "compression", "subject_transform", "consumer_limits"]),
            (11, ["allow_msg_ttl", "subject_delete_marker_ttl"]),
            (12, ["allow_atomic", "allow_msg_counter", "allow_msg_schedules", "persist_mode"]),
            (14, ["allow_batched"]),
        ]
        var table: [String: ServerVersion] = [:]
        for (minor, fields) in since {
            for field in fields { table[field] = ServerVersion(major: 2, minor: minor, patch: 0) }
        }
        return table
    }()

    private static func isDefault(_ value: JSONValue) -> Bool {
        switch value {
        case .null, .bool(false), .integer(0), .string(""), .string("none"), .object([:]): true
        default: false
        }
    }
}
